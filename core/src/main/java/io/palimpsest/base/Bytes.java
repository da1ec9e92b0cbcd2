package io.palimpsest.base;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Integers in byte arrays at any alignment. Plain names are little-endian (PostgreSQL on disk and
 * in WAL), names ending in {@code BE} are big-endian (wire protocols, sortable keys). An offset
 * outside the array throws {@link IndexOutOfBoundsException}.
 */
public final class Bytes {
    private static final VarHandle U16 =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U32 =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U64 =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U16_BE =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle U32_BE =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle U64_BE =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    private Bytes() {}

    public static int u8(byte[] b, int at) {
        return b[at] & 0xFF;
    }

    public static int u16(byte[] b, int at) {
        return (short) U16.get(b, at) & 0xFFFF;
    }

    /** The 32 bits as an int: unsigned quantities (xids, block numbers) keep their bit pattern. */
    public static int i32(byte[] b, int at) {
        return (int) U32.get(b, at);
    }

    public static long u32(byte[] b, int at) {
        return (int) U32.get(b, at) & 0xFFFF_FFFFL;
    }

    public static long i64(byte[] b, int at) {
        return (long) U64.get(b, at);
    }

    public static double f64(byte[] b, int at) {
        return Double.longBitsToDouble(i64(b, at));
    }

    public static void putU8(byte[] b, int at, int value) {
        b[at] = (byte) value;
    }

    public static void putU16(byte[] b, int at, int value) {
        U16.set(b, at, (short) value);
    }

    public static void putI32(byte[] b, int at, int value) {
        U32.set(b, at, value);
    }

    public static void putI64(byte[] b, int at, long value) {
        U64.set(b, at, value);
    }

    public static void putF64(byte[] b, int at, double value) {
        putI64(b, at, Double.doubleToRawLongBits(value));
    }

    public static int u16BE(byte[] b, int at) {
        return (short) U16_BE.get(b, at) & 0xFFFF;
    }

    public static int i32BE(byte[] b, int at) {
        return (int) U32_BE.get(b, at);
    }

    public static long i64BE(byte[] b, int at) {
        return (long) U64_BE.get(b, at);
    }

    public static void putU16BE(byte[] b, int at, int value) {
        U16_BE.set(b, at, (short) value);
    }

    public static void putI32BE(byte[] b, int at, int value) {
        U32_BE.set(b, at, value);
    }

    public static void putI64BE(byte[] b, int at, long value) {
        U64_BE.set(b, at, value);
    }
}
