package command

import (
	"context"
	"log/slog"
	"sync/atomic"

	"nfs-exportd/exports"
	"nfs-exportd/render/nfsd"
)

// job is a command as somebody called it.
type job struct {
	App
	flags    flags
	confErr  error // what is wrong with nfs.conf(5)
	purpose  purpose
	log      *slog.Logger
	progress *progress     // on Stderr, beside the log
	requests *atomic.Int64 // sent to the cloud so far
	metrics  *metrics      // nil: none are asked for
	steps    *steps
}

// purpose is what a run is for.
type purpose int

const (
	toPlan    purpose = iota // up to the approval, and nothing is written
	toApply                  // with the lock, and with the installation
	toCheck                  // every step, and more looks, whatever fails
	toExplain                // all that is known, up to the plan
)

// result is what the steps of a run gave. For a step that was not reached it has the
// zero value.
type result struct {
	situation
	files *files // nil: they cannot be read
	directories
	evidence  exports.Evidence // only up to the plan, but for explain
	complete  bool             // the cloud has answered all that it was asked
	plan      exports.Plan
	approval  approval // what of the plan needs it
	decided   bool     // there is a plan
	candidate candidate
	rendered  bool // there is a candidate
	tested    tested
	busy      *busy
	clients   *nfsd.Clients // nil: no grant is removed
	installed bool
	leftOut   bool // grants whose path became a symbolic link during the run
}

// run makes a run, step by step, for every command. Each step takes values of the steps
// before it and gives one that no later step changes. A step that fails stops plan and
// apply; check and explain go on with all that does not need it. show prints the plan
// before it needs approval; check and explain pass nil. Only install writes, and only
// for apply. The error is that of the first step that failed, or of show.
func (j job) run(ctx context.Context, show func(result) error) (r result, err error) {
	r.situation = j.gather(ctx)
	if r.held != nil && !j.steps.goOn {
		r.files = j.filesDuringHold(r.held)
		return r, show(r)
	}
	j.readConf()
	unlock, waited := j.lock(ctx)
	defer unlock()
	if waited { // meanwhile the configuration may have been changed, or put on hold
		if r.situation = j.gather(ctx); r.held != nil {
			r.files = j.filesDuringHold(r.held)
			return r, show(r)
		}
	}
	r.files = j.readFiles(ctx, r.config)
	j.lookAtDisk(r.files)
	j.lookAtLocks()

	asking, asked := j.startAsking(ctx)
	defer asked() // in the case of a bug
	cloud := j.connect(asking, r.situation, r.files)
	r.evidence, r.complete = j.ask(asking, cloud, r.situation)
	var reads bool
	r.directories, reads = j.lookAtServer(ctx, r.situation, r.files)
	r.evidence.Links = r.directories.links()
	if j.purpose == toCheck {
		asked() // these looks took time that is not the cloud's
		asking, asked = j.startAsking(ctx)
		defer asked()
	}
	var d decision
	d, r.decided = j.decide(asking, cloud, r)
	r.plan, r.approval, r.evidence = d.plan, d.approval, d.evidence
	r.hosts, r.local = r.evidence.Hosts, r.evidence.Local // as the second look-up confirmed them
	cloud.close()
	asked()
	if j.purpose == toExplain || r.held != nil {
		return r, j.steps.err
	}
	r.evidence, d = exports.Evidence{}, decision{} // no later step needs it, and it is large

	r.candidate, r.rendered = j.render(r.files, r.plan, r.approval.id, r.decided)
	r.busy = j.awaitExportfs(ctx)
	r.plan, r.candidate, r.tested = j.testRun(ctx, r, reads)
	if j.steps.err == nil && show != nil {
		r.clients = j.clientsOf(ctx, r.plan.Removed)
		if err := show(r); err != nil {
			return r, err
		}
	}
	j.approve(r)
	r.installed, r.leftOut = j.install(ctx, r)
	return r, j.steps.err
}
