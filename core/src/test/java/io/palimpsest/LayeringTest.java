package io.palimpsest;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The architecture picture, as code: a room uses the rooms above it in this list, never one below.
 */
class LayeringTest {
    private static final List<String> ROOMS =
            List.of(
                    "base",
                    "port",
                    "pg",
                    "wal",
                    "protocol",
                    "value",
                    "redo",
                    "layer",
                    "ingest",
                    "compaction",
                    "remote",
                    "timeline",
                    "tenant",
                    "basebackup",
                    "service");

    private static final JavaClasses CORE =
            new ClassFileImporter().importPath(Path.of("target", "classes"));

    @Test
    void roomsUseOnlyTheRoomsAboveThem() {
        for (int i = 0; i < ROOMS.size(); i++) {
            String[] below =
                    ROOMS.subList(i + 1, ROOMS.size()).stream()
                            .map(r -> "io.palimpsest." + r + "..")
                            .toArray(String[]::new);
            if (below.length > 0) {
                noClasses()
                        .that()
                        .resideInAPackage("io.palimpsest." + ROOMS.get(i) + "..")
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(below)
                        .as(ROOMS.get(i) + " must not use the rooms below it")
                        .allowEmptyShould(true)
                        .check(CORE);
            }
        }
    }

    @Test
    void siblingsDoNotKnowEachOther() {
        noClasses()
                .that()
                .resideInAPackage("io.palimpsest.redo..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.palimpsest.protocol..")
                .check(CORE);
        noClasses()
                .that()
                .resideInAPackage("io.palimpsest.layer..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.palimpsest.redo..", "io.palimpsest.protocol..")
                .check(CORE);
        noClasses()
                .that()
                .resideInAPackage("io.palimpsest.ingest..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "io.palimpsest.redo..", "io.palimpsest.layer..", "io.palimpsest.protocol..")
                .check(CORE);
    }

    @Test
    void everyClassLivesInARoom() {
        String[] rooms =
                ROOMS.stream().map(r -> "io.palimpsest." + r + "..").toArray(String[]::new);
        classes().should().resideInAnyPackage(rooms).check(CORE);
    }

    @Test
    void pureRoomsTakeNothingFromTheWorld() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        "io.palimpsest.base..",
                        "io.palimpsest.pg..",
                        "io.palimpsest.wal..",
                        "io.palimpsest.value..",
                        "io.palimpsest.redo..",
                        "io.palimpsest.ingest..",
                        "io.palimpsest.compaction..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.palimpsest.port..")
                .as("formats, decoding, redo, ingest and planning are pure: no port")
                .check(CORE);
    }
}
