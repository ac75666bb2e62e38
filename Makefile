# Needs Go, git and gcc, and root for everything that uses the lab; the lab
# installs the rest. The README says how to get there from a bare Debian.

SITE    ?= guestbook
FILES   ?= 1000,10000,50000
PART    ?= all
VERSION := $(shell git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo devel)

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:

.PHONY: build test test-long unit shells judge browser lab-test demo demo-down lab-up lab-down lint bench release image clean bin/sitectl bin/lab

build: bin/sitectl bin/lab

# The go command knows what is up to date; make does not.
bin/sitectl:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.linkedVersion=$(VERSION)' -o $@ ./cmd/sitectl

bin/lab:
	CGO_ENABLED=0 go build -C lab -trimpath -ldflags '-s -w' -o ../$@ .

# All tests. The lab is killed and started again several times by its own ones,
# with everything in it, and is left running afterwards for the next time;
# `make lab-down` removes it.
test: unit judge browser lab-test

# The same with many more turns of what is left to chance, such as the moments
# at which ships are killed: an hour instead of half of one.
test-long: LONG := ,long
test-long: test

unit: shells
	echo '==> unit and script tests: site, builder, deployer, templates, ci and the commands'
	go test ./...
	echo '==> unit tests: the lab'
	go test -C lab ./...

# The unit tests complete command lines in real shells, and check the manual
# pages with mandoc. Who is not root has those tests skipped that lack theirs,
# and is told so here, since the go command prints no skips; in CI they fail.
SHELLS := zsh fish mandoc
shells:
	missing=()
	for program in $(SHELLS); do
		command -v "$$program" >/dev/null || missing+=("$$program")
	done
	if (($${#missing[@]})) && [[ "$$(id -u)" = 0 ]] && command -v apt-get >/dev/null; then
		echo "==> apt-get install $${missing[*]}"
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$${missing[@]}"
	elif (($${#missing[@]})); then
		echo "==> skipped: the tests that need $${missing[*]}, which only root can install"
	fi

# Needs the source of the Kubernetes that the lab builds, and downloads it.
# -count 1, as the go command does not look at files outside of the module.
judge:
	echo '==> kubeconform and kube-score: the objects of the sample sites'
	go test -C lab/judge -count 1 .

# Needs Debian's Chromium, and installs it. -count 1, as the go command does not
# look at files outside of the module.
browser:
	if ! command -v chromium >/dev/null; then
		echo '==> chromium: installed from Debian'
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium
	fi
	echo '==> Chromium: the reports of ships'
	go test -C lab/browser -count 1 .

# platform sets the variables that the demo and the lab tests take. Who has
# set them has a cluster, a registry and a builder of their own, and the lab is
# not started, unless they are those of `lab env`.
define platform
	lab=no
	if [[ -n "$${KUBECONFIG:-}" && -n "$${BUILDKIT_HOST:-}" && -n "$${SITECTL_REGISTRY:-}" &&
		"$$KUBECONFIG" != /var/lib/sitectl-lab/* ]]; then
		echo "==> the platform of the environment: $$KUBECONFIG, $$BUILDKIT_HOST, $$SITECTL_REGISTRY"
	else
		lab=yes
		echo '==> the lab: its first start builds it, which takes about twelve minutes'
		bin/lab up
		eval "$$(bin/lab env)"
	fi
endef

# Each test is printed as it runs: the go command does so for one package, and
# gotestsum for the two at a time that share the lab, which wait more than they
# compute.
lab-test: build
	$(platform)
	if [[ "$$lab" = yes ]]; then
		echo '==> lab tests: the lab and what kills it'
		go test -C lab -tags labcrash -count 1 -v -timeout 20m ./platform
		echo '==> lab tests: what sites need of it'
		go test -C lab -tags lab$(LONG) -count 1 -v -timeout 20m .
	fi
	echo '==> lab tests: sites shipped to it'
	go tool gotestsum --format standard-verbose -- \
		-tags lab$(LONG) -count 1 -p 2 -parallel 3 -timeout $(if $(LONG),3h,50m) \
		$$(grep -rl --include='*_test.go' --exclude-dir=lab '^//go:build lab' . | xargs -n 1 dirname | sort -u)
	echo '==> lab tests: pipelines, run by the clients of GitLab and GitHub'
	go test -C lab -tags lab$(LONG) -count 1 -v -timeout 20m ./pipelines
	echo '==> lab tests: no request is dropped, and what sitectl init writes ships'
	go test -C lab -tags lab$(LONG) -count 1 -v -timeout 60m -parallel $(if $(LONG),2,4) -run 'TestDrops|TestInitShips' ./demo

# SITE=guestbook or SITE=wordpress.
demo: build
	$(platform)
	go run -C lab ./demo -site '$(SITE)' -sitectl '$(CURDIR)/bin/sitectl'

# On a platform of one's own only the demo's namespaces go.
demo-down: bin/lab
	if [[ -n "$${KUBECONFIG:-}" && "$$KUBECONFIG" != /var/lib/sitectl-lab/* ]]; then
		go run -C lab ./demo -down
	else
		bin/lab down
	fi

lab-up: bin/lab
	bin/lab up

lab-down: bin/lab
	bin/lab down

lint: bin/staticcheck bin/gofumpt
	for module in . lab lab/browser lab/judge; do
		echo "==> lint: module $$module"
		pushd "$$module" >/dev/null
		unformatted="$$(gofmt -l . && '$(CURDIR)/bin/gofumpt' -l .)"
		if [[ -n "$$unformatted" ]]; then
			echo "not formatted; run gofumpt -w on:"
			echo "$$unformatted"
			exit 1
		fi
		go vet -tags lab,labcrash ./...
		'$(CURDIR)/bin/staticcheck' -tags lab,labcrash ./...
		go mod tidy -diff
		popd >/dev/null
	done

# The linters are tools of the module: go.mod pins them.
bin/staticcheck: go.mod
	go build -o $@ honnef.co/go/tools/cmd/staticcheck

bin/gofumpt: go.mod
	go build -o $@ mvdan.cc/gofumpt

# PART=build, PART=deploy or both; FILES=1000 is over in a few minutes, the
# deploy part takes a quarter of an hour. On a platform of one's own it needs
# the lab as well: it empties builders and counts what goes to a registry, so it
# starts its own, from the programs of the lab.
bench: build
	bin/lab up
	eval "$$(bin/lab env)"
	go run -C lab ./bench -part '$(PART)' -files '$(FILES)' -sitectl '$(CURDIR)/bin/sitectl' -json '$(CURDIR)/bin/bench.json'

# Archives for PLATFORMS and their checksums, in bin/release. They are made of the
# commit alone: whoever makes them, where and when, gets the same bytes, with
# the Go that go.mod names. -buildvcs=false, as what go would write down depends
# on how much of the history a clone has.
release:
	if [[ -n "$$(git status --porcelain)" ]]; then
		echo 'make release: the working tree differs from the commit; commit first' >&2
		exit 1
	fi
	export CGO_ENABLED=0 GOFLAGS= GOEXPERIMENT= GOAMD64=v1 GOARM64=v8.0 GOWORK=off GOTOOLCHAIN="go$$(go list -m -f '{{.GoVersion}}')"
	time="$$(git log -1 --format=%ct)"
	rm -rf bin/release
	go run -trimpath -buildvcs=false ./cmd/sitectl man --dir bin/release/man
	for platform in $(PLATFORMS); do
		name="sitectl-$${platform/\//-}"
		echo "==> release $(VERSION): $$name"
		mkdir -p "bin/release/$$name"
		GOOS="$${platform%/*}" GOARCH="$${platform#*/}" go build -trimpath -buildvcs=false \
			-ldflags '-s -w -X main.linkedVersion=$(VERSION)' -o "bin/release/$$name/sitectl" ./cmd/sitectl
		install -m 644 LICENSE README.md "bin/release/$$name"
		cp -r bin/release/man cmd/sitectl/completion "bin/release/$$name"
		tar --create --directory bin/release --format ustar --sort name --mtime "@$$time" --owner 0 --group 0 --numeric-owner \
			--mode u=rwX,go=rX "$$name" | gzip --best --no-name > "bin/release/$$name.tar.gz"
		rm -r "bin/release/$${name:?}"
	done
	rm -r bin/release/man
	cd bin/release
	sha256sum -- *.tar.gz > SHA256SUMS
	cat SHA256SUMS

# The image for pipelines, built and pushed by sitectl. IMAGE=registry/repository
# says where to; without it, to the lab's registry.
image: $(if $(IMAGE),,bin/lab)
	if [[ -z '$(IMAGE)' ]]; then
		bin/lab up
		eval "$$(bin/lab env)"
	fi
	image='$(IMAGE)'
	go run ./ci/image -image "$${image:-$$SITECTL_REGISTRY/sitectl/sitectl}" -version '$(VERSION)'

clean:
	rm -rf bin
