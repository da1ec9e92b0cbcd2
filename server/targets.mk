# The command line; server/palimpsest runs it once it is built.
.PHONY: cli
cli: jdk ## The command line: make cli ARGS="layer map work/tenants/T/timelines/ID"
	@$(PACKAGE) -pl server -am
	@server/palimpsest $(ARGS)

.PHONY: dist
dist: jdk ## The tarball to install, in server/target: with its own Java, the same bytes whenever it is built
	@$(PACKAGE) -pl server -am
	@server/dist/build

# Files of the format as it is now, read by every later version: once for each version, never again.
.PHONY: golden
golden: jdk ## Write the golden store of a new format version: make golden VERSION=2
	@test -n "$(VERSION)" -a ! -e fixtures/src/main/resources/store-v$(VERSION) || { echo "make golden VERSION=n: one that is not there yet"; exit 1; }
	@$(MVN) -q -Dquick -pl core -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test-classpath
	@$(JAVA) -cp "core/target/test-classes:core/target/classes:fixtures/target/classes:$$(cat core/target/test-classpath)" \
	  io.palimpsest.timeline.GoldenStoreWriter fixtures/src/main/resources/store-v$(VERSION)

# The process redo engine: a library for each PostgreSQL whose server headers are installed.
WALREDO_SOURCES := $(wildcard server/src/main/c/walredo/*.c)
WALREDO_HEADERS := $(wildcard server/src/main/c/walredo/*.h)
# Where the headers of version NN are: Debian's place.
walredo_include = /usr/include/postgresql/$(1)/server
# What the sources know to start.
WALREDO_VERSIONS := 15
WALREDO_CC := cc -std=gnu11 -O2 -Wall -Werror -Wno-error=unused-variable -fPIC -shared -D_GNU_SOURCE

.PHONY: walredo
walredo: ## Build the process redo engine for each installed PostgreSQL (headers of 15 from Debian)
	@if [ ! -d $(call walredo_include,15) ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get install -y -qq postgresql-server-dev-15 >/dev/null 2>&1 || \
	    { apt-get update -qq && apt-get install -y -qq postgresql-15 postgresql-server-dev-15; } >/dev/null 2>&1 || echo "walredo: apt-get could not install postgresql-server-dev-15"; \
	  else echo "walredo: the headers of 15 are missing: apt-get install postgresql-server-dev-15"; fi; \
	fi
	@for v in 14 15 16 17 18; do \
	  case " $(WALREDO_VERSIONS) " in *" $$v "*) ;; *) echo "walredo: not built for $$v (not known to the sources), JVM only"; continue;; esac; \
	  if [ -d /usr/include/postgresql/$$v/server ]; then \
	    $(MAKE) --no-print-directory server/target/walredo/$$v/walredo.so regress/target/tape/$$v/tape.so && echo "walredo: server/target/walredo/$$v/walredo.so"; \
	  else echo "walredo: not built for $$v (no server headers), JVM only"; fi || exit 1; \
	done

server/target/walredo/%/walredo.so: $(WALREDO_SOURCES) $(WALREDO_HEADERS)
	@mkdir -p $(@D)
	$(WALREDO_CC) -I$(call walredo_include,$*) -I/usr/include/postgresql/internal -o $@ $(WALREDO_SOURCES)

# An extension with a resource manager of its own, for a test.
regress/target/tape/%/tape.so: regress/src/test/c/tape.c
	@mkdir -p $(@D)
	$(WALREDO_CC) -I$(call walredo_include,$*) -o $@ $<

server/target/walredo/echo: server/src/main/c/echo/echo.c
	@mkdir -p $(@D)
	cc -std=gnu11 -O2 -Wall -Werror -o $@ $<

# Seconds a measurement and round, and how many rounds.
SECONDS_EACH ?= 0.6
ROUNDS ?= 5
REDO_BENCH := -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*'

.PHONY: bench-redo
bench-redo: jdk walredo server/target/walredo/echo ## Redo of chains by each engine, beside a bare pipe round trip; then the same by JMH
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx1g $(REDO_BENCH) io.palimpsest.regress.bench.RedoBench server/target/walredo server/target/walredo/echo $(SECONDS_EACH) $(ROUNDS)
	@$(JAVA) -Xmx1g -Djmh.ignoreLock=true $(REDO_BENCH) org.openjdk.jmh.Main RedoBenchmark -prof gc
