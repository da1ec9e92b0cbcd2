package io.palimpsest.sim.mutant;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** Compiles the one source file that a mutant is in; all other classes are as they are. */
final class MutantBuild {
    private final Path sources;
    private final Path output;

    /**
     * @param sources of the core, the directory above {@code io}
     * @param output where each mutant gets a directory
     */
    MutantBuild(Path sources, Path output) {
        this.sources = sources;
        this.output = output;
    }

    /** The directory to be put in front of the class path. */
    Path compile(Mutant mutant) throws IOException {
        Path directory = output.resolve(mutant.name());
        Path classes = directory.resolve("classes");
        Path source = directory.resolve("source/io/palimpsest").resolve(mutant.file());
        Files.createDirectories(classes);
        Files.createDirectories(source.getParent());
        Files.writeString(source, mutant.planted(sources));
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        if (compiler == null) {
            throw new IllegalStateException("planting bugs needs a JDK, not only a runtime");
        }
        StringWriter said = new StringWriter();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            boolean good =
                    compiler.getTask(
                                    said,
                                    files,
                                    null,
                                    List.of(
                                            "-proc:none",
                                            "-nowarn",
                                            "-d",
                                            classes.toString(),
                                            "-cp",
                                            System.getProperty("java.class.path")),
                                    null,
                                    files.getJavaFileObjects(source))
                            .call();
            if (!good) {
                throw new IllegalStateException("mutant " + mutant.name() + ": " + said);
            }
        }
        return classes;
    }
}
