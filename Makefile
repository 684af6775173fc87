# The front door: `make help`.
SHELL := /bin/bash
OUT ?= results
SCENARIO ?= scenarios/keystone-ha.yaml
CLUSTER ?=
BUILD ?= build
CMAKE_FLAGS ?=
JOBS ?= $(shell nproc)
TEST_JOBS ?= $(JOBS)
FUZZ_SECONDS ?= 60

# What .ci/deps unpacked (memcached, kubectl) is found before what the machine has.
export PATH := $(CURDIR)/build/deps/usr/bin:$(PATH):/usr/sbin:/sbin

.PHONY: help deps build ha-test test test-kubernetes test-sanitizers bench lint format fuzz clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "Crumble: chaos testing that a pipeline can trust."
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26
	@echo "Settings: SCENARIO=$(SCENARIO) OUT=$(OUT) CLUSTER=kubeconfig[:CONTEXT]|in-cluster (default: the sandbox)"

deps: ## install what is missing from Debian's packages
	@.ci/deps build ha test lint

build: ## build/crumble
	@.ci/deps build
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; rm -f $(BUILD).log
	@cmake --build $(BUILD) --target crumble crumble-sandbox -j $(JOBS)

ha-test: ## run SCENARIO (three real Keystones, one eaten every few seconds); JUnit goes to OUT
	@.ci/deps build ha
	@$(MAKE) --no-print-directory build
	@$(BUILD)/crumble run $(SCENARIO) --out $(OUT) $(if $(CLUSTER),--cluster $(CLUSTER))

test: ## all tests but the long ones
	@.ci/deps build ha test
	@cmake -S . -B $(BUILD) -G Ninja -DWERROR=ON $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && ctest -j$(TEST_JOBS) --output-on-failure --no-tests=error $(CTEST_FLAGS)

test-kubernetes: ## the same suite on the sandbox and on a real Kubernetes (REQUIRED=1: no skip)
	@.ci/deps build test kubernetes
	@$(MAKE) --no-print-directory build
	@CRUMBLE_BUILD=$(abspath $(BUILD)) tests/cluster/run.py || \
		{ code=$$?; [ $$code = 77 ] && [ -z "$(REQUIRED)" ]; }

# What a sanitizer finds in a process whose exit code nobody asks for goes to a file, and fails it too.
test-sanitizers: ## unit and integration tests under ASan+UBSan, then under TSan
	@.ci/deps build ha test lint
	@for s in address,undefined thread; do dir=build-$${s%%,*}; found=$$PWD/$$dir/findings; \
		cmake -S . -B $$dir -G Ninja -DWERROR=ON -DSANITIZE=$$s >/dev/null && \
		cmake --build $$dir -j $(JOBS) && rm -rf $$found && mkdir $$found || exit 1; \
		options=exitcode=99:log_path=$$found/log; \
		(cd $$dir && ASAN_OPTIONS=$$options UBSAN_OPTIONS=print_stacktrace=1:$$options \
			TSAN_OPTIONS=$$options ctest -j$(TEST_JOBS) --output-on-failure --no-tests=error \
			-LE 'keystone|tree' $(CTEST_FLAGS)); code=$$?; \
		tail -n +1 $$found/* 2>/dev/null && exit 1; [ $$code = 0 ] || exit 1; done

bench: ## print the figures of the README
	@.ci/deps build test
	@cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
	@cmake --build build-bench -j $(JOBS)
	@tests/bench/run build-bench

lint: ## formatting, scripts that parse, and a build with clang, warnings as errors
	@.ci/deps build test lint
	@clang-format --dry-run -Werror $$(git ls-files '*.c')
	@for f in $$(git grep -lE '^#!/bin/(ba)?sh'); do bash -n $$f || exit 1; done
	@for f in $$(git ls-files '*.py'); do \
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' $$f || exit 1; done
	@CC=clang cmake -S . -B build-clang -G Ninja -DWERROR=ON >/dev/null
	@cmake --build build-clang -j $(JOBS)

format: ## clang-format in place
	@.ci/deps lint
	@clang-format -i $$(git ls-files '*.c')

fuzz: ## each fuzz target for FUZZ_SECONDS
	@.ci/deps build test lint
	@CC=clang cmake -S . -B build-fuzz -G Ninja -DFUZZ=ON -DSANITIZE=address,undefined >/dev/null
	@cmake --build build-fuzz -j $(JOBS)
	@for t in build-fuzz/tests/fuzz/fuzz_*; do [ -x $$t ] && [ -f $$t ] || continue; n=$${t##*/fuzz_}; \
		mkdir -p build-fuzz/corpus/$$n; echo "== $$n"; \
		$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=build-fuzz/$$n- \
			build-fuzz/corpus/$$n tests/fuzz/corpus-$$n || exit 1; done

clean: ## remove what was built
	rm -rf build build-*
