package eddy.flink;

import java.util.Arrays;

/** Bytes that grow. */
final class Bytes {
    private static final int KEPT = 1 << 20;

    byte[] bytes = new byte[1024];
    int size;

    void add(byte[] from, int start, int stop) {
        room(stop - start);
        System.arraycopy(from, start, bytes, size, stop - start);
        size += stop - start;
    }

    void add(byte[] all) {
        add(all, 0, all.length);
    }

    void ascii(String text) {
        int length = text.length();
        room(length);
        for (int i = 0; i < length; i++) {
            bytes[size++] = (byte) text.charAt(i);
        }
    }

    void number8(int value) {
        room(1);
        bytes[size++] = (byte) value;
    }

    void number16(int value) {
        room(2);
        bytes[size++] = (byte) value;
        bytes[size++] = (byte) (value >> 8);
    }

    void number32(int value) {
        number16(value);
        number16(value >> 16);
    }

    void number64(long value) {
        number32((int) value);
        number32((int) (value >> 32));
    }

    /** Length (-1: none) and bytes. */
    void sized(byte[] all) {
        number32(all == null ? -1 : all.length);
        if (all != null) {
            add(all);
        }
    }

    void decimal(long value) {
        ascii(Long.toString(value));
    }

    /** UTF-8 text of JSON between quotation marks; printable names need no other escapes than these. */
    void quoted(byte[] text) {
        room(2 * text.length + 2);
        bytes[size++] = '"';
        for (byte one : text) {
            if (one == '"' || one == '\\') {
                bytes[size++] = '\\';
            }
            bytes[size++] = one;
        }
        bytes[size++] = '"';
    }

    /** Starts anew, and gives large arrays back. */
    void reset() {
        size = 0;
        if (bytes.length > KEPT) {
            bytes = new byte[1024];
        }
    }

    private void room(int more) {
        if (size + more > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + more));
        }
    }
}
