package eddy.flink;

import java.util.Arrays;

/** Bytes that grow. */
final class Bytes {
    private static final int KEPT = 1 << 20;
    private static final int DECIMALS = 4;
    private static final int SCALE = 10_000;
    private static final double EXACT = 1L << 53;

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
        if (value < 0) {
            ascii(Long.toString(value));
            return;
        }
        room(19);
        int digits = 1;
        for (long rest = value; rest >= 10; rest /= 10) {
            digits++;
        }
        for (int place = size + digits - 1; place >= size; place--, value /= 10) {
            bytes[place] = (byte) ('0' + value % 10);
        }
        size += digits;
    }

    /**
     * A finite double as text that reads as the same double. Of one with four decimals or fewer, as nearly all measured
     * values are, it is that decimal: a whole number below 2^53 divided by a power of ten is rounded as reading it is.
     */
    void decimal(double value) {
        double scaled = Math.rint(Math.abs(value) * SCALE);
        if (!(scaled < EXACT) || scaled / SCALE != Math.abs(value)) {
            ascii(Double.toString(value));
            return;
        }
        if (value < 0) {
            number8('-');
        }
        long whole = (long) scaled;
        decimal(whole / SCALE);
        room(DECIMALS + 1);
        bytes[size] = '.';
        whole %= SCALE;
        for (int place = size + DECIMALS; place > size; place--, whole /= 10) {
            bytes[place] = (byte) ('0' + whole % 10);
        }
        size += DECIMALS + 1;
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
