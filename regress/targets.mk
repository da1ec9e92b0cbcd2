# Real PostgreSQL: the demo, the suite against containers, and their images.
PG ?= 18
SEED ?= 1

.PHONY: demo
demo: jdk ## A real PostgreSQL followed, every page compared; PG=14..18 SEED=n SELFTEST=1
	@$(MVN) -q -Dquick -DskipTests -pl regress -am package
	@"$(JAVA_HOME)/bin/java" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -Xmx1g \
	  -cp "regress/target/classes:$$(cat regress/target/classpath)" io.palimpsest.regress.Demo \
	  --pg $(PG) --seed $(SEED) $(if $(SELFTEST),--selftest) $(if $(DIR),--directory $(DIR))

.PHONY: images
images: jdk ## Container images of PostgreSQL, built without a registry; PG=17 for one only
	@regress/images/build $(if $(filter command line environment,$(origin PG)),$(PG),14 15 16 17 18)

.PHONY: regress
regress: jdk ## The comparison against PostgreSQL in a container; PG=14..18 SEED=n
	$(if $(wildcard /.dockerenv),TESTCONTAINERS_HOST_OVERRIDE=localhost) $(MVN) -Dquick -pl regress -am test -Dgroups=regress -Dregress.excluded= \
	  -Dpg=$(PG) -Dseed=$(SEED) -Dsurefire.failIfNoSpecifiedTests=false
