package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Makes series ids: {@code inputs/template.py}. What can be no id is null; Python says why. */
final class SeriesTemplate {
    private static final int MAX_BYTES = 512;

    private final List<Part> parts = new ArrayList<>();
    private final Set<Integer> separators = new HashSet<>(); // characters that values hold as escapes only
    private final boolean[] spelled = new boolean[256]; // bytes that escapes stand for

    private static final class Part {
        String kind; // text, field, key, header, topic
        String text;
        FieldPath path;
    }

    /** As the plan gives it: a list of parts, and the text of all separators. */
    SeriesTemplate(Object plan, String separators) {
        for (Object each : (List<?>) plan) {
            Json.Fields fields = (Json.Fields) each;
            Part part = new Part();
            part.kind = (String) fields.get("kind");
            part.text = (String) fields.get("text");
            part.path = FieldPath.of(fields.get("path"));
            parts.add(part);
        }
        separators.codePoints().forEach(this.separators::add);
        for (int code = 0; code < 256; code++) {
            spelled[code] = code < 0x20 || code == 0x25 || code >= 0x7f || (code < 0x80 && this.separators.contains(code));
        }
    }

    /** The id as it stands before a feature's name; null where it is none. */
    String series(RawEvent event, Object[] scopes, Json json) {
        if (parts.size() == 1) {
            return value(parts.get(0), event, scopes, json);
        }
        StringBuilder out = new StringBuilder();
        for (Part part : parts) {
            String value = value(part, event, scopes, json);
            if (value == null) {
                return null;
            }
            out.append(value);
        }
        return out.toString();
    }

    private String value(Part part, RawEvent event, Object[] scopes, Json json) {
        switch (part.kind) {
            case "text":
                return part.text;
            case "topic":
                return escape(event.topic);
            case "header":
                return escape(decoded(event.header(part.text), json));
            case "key":
                if (part.path.steps.length == 0) {
                    return escape(decoded(event.key, json));
                }
                Object key = json.parse(event.key);
                return escape(key == null ? null : textOf(part.path.find(key)));
            default:
                return escape(textOf(part.path.find(scopes)));
        }
    }

    private static String decoded(byte[] bytes, Json json) {
        return bytes == null ? null : json.utf8(bytes, 0, bytes.length);
    }

    /** A value as text: a text, a whole number of 64 bits, true or false; null for all else. */
    static String textOf(Object found) {
        if (found instanceof String) {
            return (String) found;
        }
        if (found instanceof Boolean) {
            return found.toString();
        }
        if (found instanceof Json.Number) {
            Json.Number number = (Json.Number) found;
            if (number.isShort()) {
                return Long.toString(number.shortValue()); // -0 is 0
            }
            return number.whole() == null ? null : number.whole().toString();
        }
        return null;
    }

    /** One value as it stands in ids; null for null, and for a text with a lone surrogate. */
    String escape(String value) {
        if (value == null || plain(value)) {
            return value;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < value.length(); ) {
            int code = value.codePointAt(i);
            int next = i + Character.charCount(code);
            if (code >= 0xd800 && code <= 0xdfff) {
                return null;
            }
            boolean percent = code == '%' && spells(value, next);
            if (percent || separators.contains(code) || !printable(code)) {
                for (byte one : new String(Character.toChars(code)).getBytes(StandardCharsets.UTF_8)) {
                    out.append(String.format("%%%02X", one));
                }
            } else {
                out.appendCodePoint(code);
            }
            i = next;
        }
        return out.toString();
    }

    private boolean plain(String value) {
        for (int i = 0; i < value.length(); i++) {
            char one = value.charAt(i);
            if (one < ' ' || one > '~' || one == '%' || separators.contains((int) one)) {
                return false;
            }
        }
        return true;
    }

    /** Whether two upper-case digits stand there that spell a byte which is written as an escape. */
    private boolean spells(String value, int at) {
        if (at + 2 > value.length()) {
            return false;
        }
        int high = "0123456789ABCDEF".indexOf(value.charAt(at));
        int low = "0123456789ABCDEF".indexOf(value.charAt(at + 1));
        return high >= 0 && low >= 0 && spelled[high * 16 + low];
    }

    /** eddy/texts.py has the rule and the reasons. */
    static boolean printable(int code) {
        return !(code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e)
                || (code >= 0x2066 && code <= 0x206f) || code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb)
                || (code >= 0xd800 && code <= 0xdfff) || (code >= 0xfdd0 && code <= 0xfdef) || code == 0xe0001
                || (code & 0xfffe) == 0xfffe);
    }

    /** The bytes of an id; null where a text is none. */
    static byte[] bytes(String series) {
        byte[] found = series.getBytes(StandardCharsets.UTF_8);
        return found.length == 0 || found.length > MAX_BYTES ? null : found;
    }

    /** The bytes of a feature's name; null where a text is none. */
    static byte[] feature(String name) {
        boolean good = name.codePoints().allMatch(SeriesTemplate::printable);
        byte[] found = name.getBytes(StandardCharsets.UTF_8);
        return good && found.length <= MAX_BYTES ? found : null;
    }
}
