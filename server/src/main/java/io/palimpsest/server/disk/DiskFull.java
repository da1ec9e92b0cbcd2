package io.palimpsest.server.disk;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whether a failure means that the disk, or the user's share of it, is full. Java passes on the C
 * library's text alone, which is in the language of the process, so the C library is asked for the
 * same texts.
 */
public final class DiskFull {
    /** ENOSPC, EDQUOT, as all architectures of Linux but MIPS number them. */
    private static final int[] ERRNOS = {28, 122};

    private static final List<String> TEXTS = texts();

    private DiskFull() {}

    public static boolean is(IOException e) {
        return means(e.getMessage())
                || e instanceof FileSystemException named && means(named.getReason());
    }

    private static boolean means(@Nullable String message) {
        return message != null && TEXTS.stream().anyMatch(message::contains);
    }

    @SuppressWarnings("restricted") // strerror is safe to call, and its text ends within that.
    private static List<String> texts() {
        List<String> texts =
                new ArrayList<>(List.of("No space left on device", "Disk quota exceeded"));
        Linker linker = Linker.nativeLinker();
        MethodHandle strerror =
                linker.downcallHandle(
                        linker.defaultLookup().findOrThrow("strerror"),
                        FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        for (int errno : ERRNOS) {
            try {
                MemorySegment text = (MemorySegment) strerror.invokeExact(errno);
                texts.add(text.reinterpret(1024).getString(0, StandardCharsets.UTF_8));
            } catch (Throwable e) {
                throw new IllegalStateException("strerror(" + errno + ")", e);
            }
        }
        return texts;
    }
}
