package config_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
)

func TestMaintenance(t *testing.T) {
	day := time.Date(2030, 1, 31, 18, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        exports.Maintenance
	}{
		{"true", "true", exports.Maintenance{On: true}},
		{"true in capitals", "TRUE", exports.Maintenance{On: true}},
		{"false", "false", exports.Maintenance{}},
		{"text", "moving house", exports.Maintenance{On: true, Reason: "moving house"}},
		{"text on several lines", `"moving\n house\n"`, exports.Maintenance{On: true, Reason: "moving house"}},
		{"a reason on several lines", `{reason: "moving\r\n\thouse "}`, exports.Maintenance{On: true, Reason: "moving house"}},
		{"a number is text", "12345", exports.Maintenance{On: true, Reason: "12345"}},
		{"an empty mapping", "{}", exports.Maintenance{On: true}},
		{"a reason", "{reason: moving house}", exports.Maintenance{On: true, Reason: "moving house"}},
		{"an end", "{until: 2030-01-31T18:00:00Z}", exports.Maintenance{On: true, Until: day}},
		{"an end in quotes", "{until: '2030-01-31T19:00:00+01:00'}", exports.Maintenance{On: true, Until: day}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse([]byte("private: {}\nmaintenance: " + tt.value + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.Maintenance, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("in the configuration (-want +got):\n%s", diff)
			}
			var document yaml.Node
			if err := yaml.Unmarshal([]byte(tt.value), &document); err != nil {
				t.Fatal(err)
			}
			got, err := config.ParseMaintenance(document.Content[0])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("ParseMaintenance (-want +got):\n%s", diff)
			}
		})
	}

	if m, err := config.ParseMaintenance(nil); err != nil || m.On {
		t.Errorf("without a node: %+v, %v", m, err)
	}
	_, err := config.ParseMaintenance(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "off", Line: 7})
	var problems *config.Error
	if !errors.As(err, &problems) || problems.Problems[0].Line != 7 {
		t.Errorf("off: got %v, want an Error of line 7", err)
	}
}
