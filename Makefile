# Palimpsest: everything a person types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A JDK of 25 or later: JAVA_HOME, then the usual places, even where an older `java` is on the PATH.
JAVA_HOME := $(shell .mvn/find-jdk)
export JAVA_HOME
MVN := mvn -B -ntp
ifdef CI
MVN += -Dstyle.color=never
endif

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: jdk
jdk:
	@test -n "$(JAVA_HOME)" || { .mvn/find-jdk --explain; exit 1; }

.PHONY: test
test: jdk ## Build everything, hold the house rules, run all tests (no server needed)
	$(MVN) verify

.PHONY: quick
quick: jdk ## Compile and run unit tests without formatter, Error Prone and checks
	$(MVN) -q -Dquick verify

.PHONY: fmt
fmt: jdk ## Format the sources
	$(MVN) -q spotless:apply

.PHONY: clean
clean: ## Remove build output
	$(MVN) -q clean

include regress/targets.mk
