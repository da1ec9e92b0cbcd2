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
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-17s %s\n", $$1, $$2}'

.PHONY: jdk
jdk:
	@test -n "$(JAVA_HOME)" || { .mvn/find-jdk --explain; exit 1; }

.PHONY: test
test: jdk ## Build everything, hold the house rules, run all tests (no server needed)
	$(MVN) verify

.PHONY: quick
quick: jdk ## Compile and run unit tests without formatter, Error Prone and checks
	$(MVN) -q -Dquick verify

# The built modules with what they need, as a class path.
SERVER_CP := server/target/palimpsest-server-0.1.0-SNAPSHOT.jar:server/target/lib/*
SIM_CP := sim/target/palimpsest-sim-0.1.0-SNAPSHOT.jar:sim/target/lib/*
JAVA := $(JAVA_HOME)/bin/java -XX:+UseCompactObjectHeaders --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow
PACKAGE := $(MVN) -q -Dquick -DskipTests package

.PHONY: run
run: jdk ## Start the page server in the foreground, in ./work (ARGS="-c ..." to configure)
	$(PACKAGE) -pl server -am
	exec $(JAVA) -cp '$(SERVER_CP)' io.palimpsest.server.Main -D work $(ARGS)

.PHONY: sim
SEED ?= 1
SEEDS ?= 1
JOBS ?= 1
GC ?= Serial
# Options of the JVM that runs it; GC=none if they name a collector.
VM ?=
SIM_VM = $(JAVA) $(if $(filter none,$(GC)),,-XX:+Use$(GC)GC) $(VM) -Djdk.virtualThreadScheduler.parallelism=1 -Djdk.virtualThreadScheduler.maxPoolSize=1 \
	  -Djdk.trackAllThreads=false -XX:-OmitStackTraceInFastThrow -Xmx1g
SIM_JAVA = $(SIM_VM) -Dpalimpsest.commit=$$(git rev-parse --short HEAD 2>/dev/null) -cp '$(SIM_CP)' io.palimpsest.sim.Main
sim: jdk ## Run simulated histories: make sim SEED=7 [SEEDS=2000] [MINUTES=10] [JOBS=2] [SCENARIO=mixed|all|storage,mine.toml] [GOLDEN=20] [STORY=file] [GC=Parallel] [VM=...]; replay a failure: PLAN=file
	@$(PACKAGE) -pl sim -am
	@$(SIM_JAVA) run $(if $(PLAN),--plan $(PLAN),--seed $(SEED) $(if $(filter command,$(firstword $(origin MINUTES))),--minutes $(MINUTES),--seeds $(SEEDS)) --jobs $(JOBS) --plans sim/target/plans $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(GOLDEN),--golden $(GOLDEN))) $(if $(STORY),--story $(STORY))

.PHONY: sim-explain
OUT ?= sim/target/explain.html
sim-explain: jdk ## Show what happened in one history as a page: PLAN=file, or SCENARIO=storage SEED=7 [OUT=page.html]
	@$(PACKAGE) -pl sim -am
	@$(SIM_JAVA) explain $(if $(PLAN),--plan $(PLAN),--scenario $(SCENARIO) --seed $(SEED)) --out $(OUT)

.PHONY: sim-crash-points
sim-crash-points: jdk ## Recover from every state a power loss can leave: [PROTOCOL=flush] [STATE=n] [SEED=7] [SEEDS=20]
	@$(PACKAGE) -pl sim -am
	@$(SIM_JAVA) crash-points --seed $(SEED) --seeds $(SEEDS) $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(STATE),--state $(STATE))

.PHONY: bench-sim
bench-sim: jdk ## How fast the simulator is, beside its bare scheduler and real time, each measure with its goal: [ROUNDS=5]
	@$(PACKAGE) -pl sim -am
	@$(SIM_JAVA) measures --rounds $(ROUNDS)

.PHONY: jcstress
STRESS ?= -m quick
jcstress: jdk ## Races of the classes that take no lock, as the memory model allows them: [STRESS="-m default -t SizeChanges"]
	@$(PACKAGE) -Pjcstress -pl stress -am
	@mkdir -p stress/target/jcstress
	@cd stress/target/jcstress && $(JAVA) -cp '../palimpsest-stress-0.1.0-SNAPSHOT.jar:../lib/*' org.openjdk.jcstress.Main $(STRESS) -r results

.PHONY: sim-mutants
ROWS ?= 3
sim-mutants: jdk ## Plant bugs and see that the simulator finds each: [JOBS=2] [ROWS=3] [MUTANT=index-before-layer]
	@$(PACKAGE) -pl sim -am
	@$(SIM_VM) -cp 'sim/target/test-classes:$(SIM_CP)' io.palimpsest.sim.mutant.Mutants --rows $(ROWS) --jobs $(JOBS) $(if $(MUTANT),--mutant $(MUTANT))

-include regress/targets.mk
-include server/targets.mk

.PHONY: fmt
fmt: jdk ## Format the sources
	$(MVN) -q spotless:apply

.PHONY: clean
clean: ## Remove build output
	$(MVN) -q clean
