# How fast it is, against peers in the same run.
.PHONY: bench
bench: jdk ## Ingest MiB/s and GetPage/s beside their peers; PG=14..18 ARGS="--json --rounds 5 --scale 5 --only pages"
	@$(PACKAGE) -pl regress -am
	@$(JAVA) --sun-misc-unsafe-memory-access=allow -Xmx3g \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.bench.Bench \
	  --pg $(if $(filter command line environment,$(origin PG)),$(PG),17) $(ARGS)

.PHONY: bench-storage
bench-storage: jdk ## The storage engine beside limits and peers, with goals; ARGS="--json --rounds 5 --only ingest"
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx512m \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.storage.StorageBench $(ARGS)

.PHONY: bench-backup
bench-backup: jdk ## Backup and restore beside pgBackRest (installed by apt where we are root), with goals; SIZE_MB=1024 STORE=local|s3|azure ARGS="--json --only random"
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx512m \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.storage.BackupBench \
	  --size-mb $(or $(SIZE_MB),1024) --store $(or $(STORE),local) $(ARGS)

regress/target/pages/pages: regress/src/main/c/pages/pages.c
	@mkdir -p $(@D)
	cc -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -o $@ $<

.PHONY: bench-pages
bench-pages: jdk ## The page service beside a program in C and PostgreSQL, copies beside pgBackRest and pg_basebackup, with goals; SIZE_MB=1024 ARGS="--json --only pages"
	@$(PACKAGE) -pl regress -am
	@$(MAKE) --no-print-directory -s regress/target/pages/pages
	@$(JAVA) -Xmx512m \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.storage.ServiceBench \
	  --program regress/target/pages/pages --size-mb $(or $(SIZE_MB),1024) $(ARGS)

.PHONY: fuzz
fuzz: jdk ## Clients that behave badly, at an open page server and at one with TLS and tokens, beside some that behave: MINUTES=10 SEED=n
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx512m \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.fuzz.ProtocolFuzz \
	  --seed $(SEED) --minutes $(if $(filter command line environment,$(origin MINUTES)),$(MINUTES),10)

.PHONY: soak
soak: jdk ## Real PostgreSQL, tiny limits, kills; pages at random LSNs of random branches compared: MINUTES=10 PG=17 SEED=n SELFTEST=1 DIR=kept
	@$(PACKAGE) -pl regress -am
	@$(JAVA) -Xmx1g \
	  -cp 'regress/target/palimpsest-regress-0.1.0-SNAPSHOT.jar:regress/target/lib/*' io.palimpsest.regress.Soak \
	  --pg $(if $(filter command line environment,$(origin PG)),$(PG),17) --seed $(SEED) \
	  --minutes $(if $(filter command line environment,$(origin MINUTES)),$(MINUTES),10) \
	  $(if $(SELFTEST),--selftest) $(if $(DIR),--directory $(DIR))
