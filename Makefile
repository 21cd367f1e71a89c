# See README.md. Every target works on a fresh clone; those that need more than
# Go install it.

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
ERRCHECK = github.com/kisielk/errcheck@v1.30.0
FUZZTIME ?= 60s

.PHONY: build demo test test-real lint fuzz clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/nfs-exportd .

# A plan, an apply and the incident of 2019 against a cloud on loopback.
demo: build
	$(GO) run ./testdata/demo bin/nfs-exportd

# All that needs Go alone. The thousand runs of TestFaults go without the race
# detector, under which they take minutes; the packages that they run through
# have the same faults in tests of their own.
test:
	$(GO) test -race -shuffle=on -skip '^TestFaults$$' ./...
	$(GO) test -run '^TestFaults$$' .

# Keystone, Nova and exportfs as Debian ships them, on loopback and in a mount
# namespace. Needs root, and installs what is missing.
test-real: build
	sh testdata/real/install.sh
	$(GO) test -tags real -count=1 -timeout 20m -run Real . ./render

lint:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet -tags real ./...
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -tags real ./...
	$(GO) run $(ERRCHECK) -ignoretests ./...

# Every fuzz target for $(FUZZTIME).
fuzz:
	set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean:
	rm -rf bin
