# Real PostgreSQL: the demo, the suite against containers, and their images.
PG ?= 18

.PHONY: demo
demo: jdk ## A real PostgreSQL followed, every page compared; PG=14..18 SEED=n SELFTEST=1 COMPACT=1 CHECKSUMS=on|off
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx1g \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.Demo \
	  --pg $(PG) --seed $(SEED) $(if $(SELFTEST),--selftest) $(if $(COMPACT),--compact) $(if $(CHECKSUMS),--checksums $(CHECKSUMS)) $(if $(STORE),--store $(STORE)) $(if $(DIR),--directory $(DIR))

.PHONY: demo-backup
demo-backup: ## The demo, its machine lost twice, all from the store: STORE=local|s3|azure PG=14..18 SEED=n SELFTEST=1 COMPACT=1
	@$(MAKE) --no-print-directory demo STORE=$(or $(STORE),local)

.PHONY: dist-check
dist-check: dist ## The tarball twice, the same bytes; unpacked and used without a JDK; IMAGE=1: as an image too (needs Docker's engine)
	@cp server/target/palimpsest-*.tar.gz.sha256 server/target/first.sha256
	@server/dist/build >/dev/null && cmp server/target/palimpsest-*.tar.gz.sha256 server/target/first.sha256 && echo "dist-check: two builds, the same bytes"
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.InstalledServer \
	  --tarball server/target/palimpsest-*.tar.gz
ifdef IMAGE
	@regress/images/build
	@docker build -q -f server/dist/Dockerfile --build-arg BASE=local/palimpsest-debian:bookworm -t local/palimpsest server/target
	@$(JAVA) -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.InstalledServer \
	  --tarball server/target/palimpsest-*.tar.gz --image local/palimpsest
endif

.PHONY: images
images: jdk ## Container images of PostgreSQL, built without a registry; PG=17 for one only
	@regress/images/build $(if $(filter command line environment,$(origin PG)),$(PG),14 15 16 17 18)

.PHONY: regress
regress: jdk ## The comparison against PostgreSQL in a container; PG=14..18 SEED=n; TEST=AzuriteTest: the Azure store, without
	$(if $(wildcard /.dockerenv),TESTCONTAINERS_HOST_OVERRIDE=localhost) $(MVN) -Dquick -pl regress -am test -Dgroups=regress -Dregress.excluded= \
	  $(if $(TEST),-Dtest=$(TEST)) -Dpg=$(PG) -Dseed=$(SEED) -Dsurefire.failIfNoSpecifiedTests=false

.PHONY: oracle
MINUTES ?= 5
ENGINE ?= jvm
oracle: jdk $(if $(filter process,$(ENGINE)),walredo) ## Redo of every record against PostgreSQL's images; PG=14..18 ENGINE=jvm|process MINUTES=5 RECORDS=n SEED=n
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx1g -XX:+UseSerialGC \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.oracle.Oracle \
	  --pg $(PG) --seed $(SEED) --engine $(ENGINE) --minutes $(MINUTES) $(if $(RECORDS),--records $(RECORDS))

-include regress/bench.mk
