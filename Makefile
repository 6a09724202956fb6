# `make help` lists the targets. The logic is in scripts/.

PORT ?= 8080
CC ?= cc
CFLAGS ?= -std=c99 -Wall -Wextra -Werror -pedantic -O2

EXAMPLES := $(patsubst examples/c/%.c,build/examples/%,$(wildcard examples/c/*.c))

.PHONY: build
build: ## build/lib/libwspush.so and .a (the default; TARGET=aarch64-unknown-linux-gnu for another machine)
	scripts/build $(if $(TARGET),--target $(TARGET)) $(CARGO_FLAGS)

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | sort | expand -t 16

.PHONY: setup
setup: ## install what everything below needs (apt, PyPI, npm)
	scripts/setup test

.PHONY: examples
examples: $(EXAMPLES) ## the C examples, into build/examples/

build/examples/%: examples/c/%.c include/wspush.h Makefile | build
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Iinclude $< -o $@ -Lbuild/lib -lwspush -pthread -Wl,-rpath,'$$ORIGIN/../lib'

.PHONY: demo
demo: ## a chat room on http://127.0.0.1:8080/ (PORT=8080)
	scripts/setup demo
	@$(MAKE) --no-print-directory build
	php php-ext/examples/chat.php $(PORT)

.PHONY: demo-relay
demo-relay: ## a customer-service desk with simulated customers, on the same address
	scripts/setup demo
	@$(MAKE) --no-print-directory build
	php examples/relay/demo.php $(PORT)

.PHONY: test
test: ## install what is missing, then run every test
	scripts/setup test
	@$(MAKE) --no-print-directory examples
	scripts/test

.PHONY: lint
lint: build ## formatting, warnings, documentation, headers, exported symbols
	scripts/lint

.PHONY: test-rust test-loom test-c test-php test-bench test-clients test-browser test-relay test-autobahn test-fuzz
test-rust: ## unit and property tests of the crate
	scripts/rust-tests
test-loom: ## models of what threads do to each other
	scripts/loom-tests
test-c: build ## the C API, plainly and under valgrind
	scripts/c-tests
test-php: build ## PHPUnit
	scripts/php-tests
test-bench: examples ## that the benchmarks run, not how fast
	scripts/bench-tests
test-clients: examples ## clients and servers by others, and clients that misbehave
	scripts/client-tests
test-browser: build ## the chat page in headless Chromium
	scripts/browser-tests
test-relay: build ## the relay of examples/relay, its page in headless Chromium
	scripts/relay-tests
test-autobahn: examples ## Autobahn's test suite against both echo examples and our clients
	scripts/autobahn-tests
test-fuzz: ## the fuzz targets, half a minute each
	scripts/fuzz-tests

.PHONY: fuzz
fuzz: ## the fuzz targets, ten minutes each (FUZZ_SECONDS=600)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} scripts/fuzz-tests

.PHONY: soak
soak: build ## everything at once for an hour (SOAK_SECONDS=3600), every frame on the wire looked at
	scripts/soak $(SOAK_SECONDS)

.PHONY: bench
bench: ## install what is missing, then print the speed table, in a few minutes
	scripts/setup bench
	@$(MAKE) --no-print-directory examples
	benches/run

.PHONY: sanitize
sanitize: ## the C programs under ThreadSanitizer and AddressSanitizer, in half an hour
	scripts/sanitize

.PHONY: lock update-deps
lock: ## after a change of Cargo.toml: write down the versions of what is new
	scripts/lock save
update-deps: ## the newest versions of all crates; run the tests before committing them
	scripts/lock update

.PHONY: clean
clean: ## remove what was built; .deps/ stays
	rm -rf build target
