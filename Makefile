# See README.md. Every target works on a fresh clone; those that need more than
# Go install it.

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEPGUARD = github.com/OpenPeeDeeP/depguard/v2/cmd/depguard@v2.2.1
ERRCHECK = github.com/kisielk/errcheck@v1.30.0
GREMLINS = github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
FUZZTIME ?= 60s
RUNS ?= 100000

.PHONY: build demo test quick test-bare failure-states test-real test-vm lint fuzz mutation clean

# With -buildvcs=auto --version tells the commit of a clone whatever GOFLAGS say,
# and what is no clone can be built as well.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags '-s -w -X main.version=$(VERSION)' -o bin/nfs-exportd .

# A plan, an apply and the incident of 2019 against a cloud on loopback.
demo: build
	$(GO) run ./testdata/demo bin/nfs-exportd

# All that needs Go alone. The race detector needs cgo and a C compiler; CI must have
# them. The thousands of runs of TestFaults and its like go without it, as they would
# take minutes; the packages that they run through have the same faults in tests of
# their own.
test:
	race=-race; \
	$(GO) build -race runtime/cgo || { \
		test -z "$$CI" || exit 1; \
		echo 'no race detector: it needs cgo and a C compiler'; race=; \
	}; \
	$(GO) test $$race -shuffle=on -skip '^TestFaults' ./...
	$(GO) test -run '^TestFaults' ./keystone/... ./command/faulttest

# The daily loop: what is fast of lint and test.
quick:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) run $(DEPGUARD) ./...
	$(GO) test -short -skip '^Test(Built|Disk|Faults|Simulation)' $$($(GO) list ./... | grep -vE '/(faulttest|simulation)$$')

# "make test" on a machine that has nothing else. Needs root, and installs debootstrap.
test-bare:
	.ci/bare

# The document of what fails and what happens then, from the tests.
failure-states:
	UPDATE=1 $(GO) test -count=1 -run '^TestFaults$$' ./command/faulttest

# Keystone, Nova and exportfs as Debian ships them, on loopback and in a mount
# namespace. Needs root, and installs what is missing.
test-real: build
	sh testdata/real/install.sh
	$(GO) test -tags real -count=1 -timeout 20m -run Real ./command/realtest ./render/...

# A machine in qemu with Debian's kernel: the kernel's NFS server, and clients of it that
# lose their grants. Downloads both with apt, about 45 MB, into a cache outside of the
# repository. Takes minutes.
test-vm: build
	CGO_ENABLED=0 $(GO) build -o bin/testcloud ./keystone/keystonetest/testcloud
	sh testdata/vm/run bin/nfs-exportd bin/testcloud

lint:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet -tags real ./...
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -tags real ./...
	$(GO) run $(ERRCHECK) -ignoretests ./...
	sh man/lint.sh
	$(GO) run $(DEPGUARD) ./...
	! grep -nE '\b(time\.(Now|Since|Until|Sleep|After|Tick|New)|fmt\.(Print|Scan))' $$(ls exports/*.go | grep -v _test.go)
	! git grep -nE '^func init\(' -- '*.go'
	! git grep -nE '\b(os\.Exit|log\.(Fatal|Panic))' -- '*.go' ':!main.go' ':!*_test.go' ':!command/commandtest' ':!testdata' ':!keystone/keystonetest/testcloud'

# Every fuzz target for $(FUZZTIME), and a year of runs every five minutes; the
# first that fails ends it. Hardly anything is minimized, as that takes its time
# from the search.
fuzz:
	set -e; packages=$$($(GO) list ./...); for package in $$packages; do \
		targets=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done
	$(GO) test -run '^TestSimulation$$' -timeout 90m -v ./command/simulation -simulation.runs=$(RUNS) -simulation.seed=$$(date +%s)

# Changes one operator after the other, and fails where the tests notice less
# than 85 % of it. Needs root, as each run has a copy of /etc, and takes hours.
mutation:
	set -e; for package in exports keystone printable render render/disk render/exportfs render/sandbox render/install; do \
		GO_REAL=$$(command -v $(GO)) $(GO) run -exec "env PATH=$(CURDIR)/testdata/mutation:$$PATH" $(GREMLINS) \
			unleash ./$$package --workers 1 --timeout-coefficient 5 --exclude-files / \
			--invert-logical --invert-loopctrl --invert-bitwise --invert-bwassign --invert-assignments --remove-self-assignments \
			--threshold-efficacy 85; \
	done

clean:
	rm -rf bin

# What it all costs, see docs/performance.md: the parts, with exportfs where there is
# one, and whole runs beside curl. Takes some minutes, and a machine with nothing else
# to do.
.PHONY: bench bench-once
bench: build
	$(GO) test -run '^$$' -bench . ./exports/... ./keystone/... ./render/...
	test ! -x /usr/sbin/exportfs || testdata/bench/exportfs.sh
	$(GO) build -o bin/testcloud ./keystone/keystonetest/testcloud
	$(GO) run ./testdata/bench bin/nfs-exportd bin/testcloud

# Each of these once and small, so that none rots. How long it takes does not matter.
bench-once: build
	$(GO) test -run '^$$' -bench . -benchtime 1x ./exports/... ./keystone/... ./render/...
	$(GO) build -o bin/testcloud ./keystone/keystonetest/testcloud
	$(GO) run ./testdata/bench -once bin/nfs-exportd bin/testcloud

# The rules for alerts, with promtool.
.PHONY: test-alerts
test-alerts:
	sh dist/prometheus/test.sh

# The Debian package, into bin. The same commit gives the same bytes.
.PHONY: deb test-deb
deb:
	mkdir -p bin
	dist/debian/deb.sh bin

# The package and its services under the real dpkg and systemd, in a copy of this
# machine that goes away. Needs root, and installs what is missing.
test-deb:
	dist/debian/test.sh
