// Package config reads the configuration file, nfs-mounts.yaml(5), into an
// [exports.Config]. It reports all problems of a file at once, with their lines.
package config

import (
	"errors"
	"path"
	"slices"

	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/yamlfile"
)

// maxSize is far above any real file (thousands of projects are less than a
// megabyte) and keeps a wrong path from eating the memory.
const maxSize = 4 << 20

// Parse reads a configuration file. Unknown keys are errors. The error is an
// [*Error] with all problems.
func Parse(text []byte) (*exports.Config, error) {
	p := parser{}
	root := p.document(text)
	if root == nil {
		return nil, p.err()
	}
	config := &exports.Config{
		Options:   exports.DefaultOptions,
		OpenStack: exports.OpenStack{Domain: exports.DefaultDomain, Listing: exports.ListingAuto, Concurrency: exports.DefaultConcurrency},
		Limits:    exports.Limits{MaxRemoved: exports.DefaultMaxRemoved, MaxRemovedPercent: exports.DefaultMaxRemovedPercent},
	}
	top := p.mapping(root, "", levelTop)
	// What a project's options default to must be known before the projects.
	if section, ok := top["exports"]; ok {
		fields := p.mapping(section, "exports", levelExports)
		if node, ok := fields["options"]; ok {
			config.Options = p.options(node, "exports.options")
		}
		if node, ok := fields["allow_nested"]; ok {
			config.AllowNested = p.yesOrNo(node, "exports.allow_nested")
		}
	}
	config.Public = p.public(top["public"])
	config.Projects = p.private(top["private"], config.Options)
	config.Maintenance = p.maintenance(top["maintenance"])
	p.openStack(top["openstack"], &config.OpenStack)
	p.limits(top["safety"], &config.Limits)
	p.publicAgree(config.Public)
	if _, ok := top["private"]; !ok {
		if _, ok := top["public"]; !ok {
			p.problem(root, "", `neither "public" nor "private" is there: this would export nothing`)
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return config, nil
}

// document gives the top node of the file, or nil with a problem.
func (p *parser) document(text []byte) *yaml.Node {
	if len(text) > maxSize {
		p.problem(new(yaml.Node), "", "the file has more than %d bytes: is this the right file?", maxSize)
		return nil
	}
	root, err := yamlfile.ParseDocument(text)
	if syntax, ok := errors.AsType[*yamlfile.SyntaxError](err); ok {
		where := &yaml.Node{Line: syntax.Line}
		syntax.Line = 0
		p.problem(where, "", "%s", syntax)
	}
	return root
}

func (p *parser) private(section *yaml.Node, options string) []exports.ProjectConfig {
	var projects []exports.ProjectConfig
	gids := map[int]string{}
	p.pairs(section, "private", func(key, value *yaml.Node) {
		field := "private." + key.Value
		project := exports.ProjectConfig{Key: key.Value, Options: options, Line: key.Line}
		fields := p.mapping(value, field, levelProject)
		if node, ok := fields["gid"]; ok {
			if gid, ok := p.number(node, field+".gid", 0, 1<<32-2); ok {
				if other, ok := gids[gid]; ok {
					p.problem(node, field+".gid", "%d is already the gid of %s: each project has its own", gid, other)
				}
				gids[gid] = key.Value
			}
		}
		if node, ok := fields["options"]; ok {
			project.Options = p.options(node, field+".options")
		}
		p.pairs(fields["mounts"], field+".mounts", func(name, value *yaml.Node) {
			if m, ok := p.mount(name, value, field+".mounts."+name.Value); ok {
				project.Mounts = append(project.Mounts, m)
			}
		})
		projects = append(projects, project)
	})
	return projects
}

func (p *parser) openStack(section *yaml.Node, o *exports.OpenStack) {
	fields := p.mapping(section, "openstack", levelOpenStack)
	text := func(key string, target *string) {
		if node, ok := fields[key]; ok {
			*target, _ = p.line(node, "openstack."+key)
		}
	}
	texts := func(key string, target *[]string) {
		if node, ok := fields[key]; ok {
			*target = p.lines(node, "openstack."+key)
		}
	}
	text("cloud", &o.Cloud)
	text("credentials", &o.Credentials)
	if o.Credentials != "" && !path.IsAbs(o.Credentials) {
		p.problem(yamlfile.Resolve(fields["credentials"]), "openstack.credentials",
			"%s does not start with a slash: which file that is would depend on where the program is started", printable.Quote(o.Credentials))
	}
	text("domain", &o.Domain)
	texts("regions", &o.Regions)
	texts("networks", &o.Networks)
	if node, ok := fields["listing"]; ok {
		text, ok := p.line(node, "openstack.listing")
		o.Listing = exports.Listing(text)
		if ok && !slices.Contains([]exports.Listing{exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject}, o.Listing) {
			p.problem(node, "openstack.listing", "%q is not one of %s, %s and %s", text, exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject)
		}
	}
	if node, ok := fields["concurrency"]; ok {
		o.Concurrency, _ = p.number(node, "openstack.concurrency", 1, exports.MaxConcurrency)
	}
}

func (p *parser) limits(section *yaml.Node, l *exports.Limits) {
	fields := p.mapping(section, "safety", levelSafety)
	if node, ok := fields["max_removed"]; ok {
		l.MaxRemoved, _ = p.number(node, "safety.max_removed", 0, 1<<31-1)
	}
	if node, ok := fields["max_removed_percent"]; ok {
		l.MaxRemovedPercent, _ = p.number(node, "safety.max_removed_percent", 0, 100)
	}
}
