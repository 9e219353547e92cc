package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A schema of Avro, made ready to read messages: {@code inputs/formats/avro_schema.py} says what its types become.
 *
 * <p>Only usual schemas are read here. Of one that contains itself, uses others, or could fill the memory with few bytes,
 * there is none, and Python reads its messages. What a decimal, a date and the like hold is for Python as well.
 */
final class AvroSchema {
    private static final int MAX_VALUES_PER_BYTE = 64;
    private static final int MAX_TYPES = 20_000;

    /** Kinds of types. */
    enum Kind {
        NULL, BOOLEAN, INT, LONG, FLOAT, DOUBLE, STRING, BYTES, FIXED, ENUM, ARRAY, MAP, UNION, RECORD
    }

    /** One type; {@code opaque}: its value is skipped, and left to Python if somebody asks for it. */
    static final class Type {
        final Kind kind;
        boolean opaque;
        boolean logical; // bytes that stand for something
        int size; // of FIXED
        String[] names; // fields of RECORD, symbols of ENUM
        Type[] inner; // of fields, branches, items, values
        long fewest; // bytes of a value
        long values; // that those bytes may make

        Type(Kind kind) {
            this.kind = kind;
        }
    }

    /** Says that a schema is left to Python. */
    private static final class Unusual extends Exception {
        private static final long serialVersionUID = 1L;
    }

    private final Map<String, Type> named = new HashMap<>();
    private final Set<String> open = new HashSet<>();
    private int types;

    private AvroSchema() {}

    /** The type that the text of a schema describes; null for one that is left to Python. */
    static Type parse(String text) {
        Object found = new Json().parse(text.getBytes(StandardCharsets.UTF_8));
        try {
            return found == null ? null : new AvroSchema().type(found, "");
        } catch (Unusual | ClassCastException | NullPointerException unusual) { // what has another form is no schema
            return null;
        }
    }

    private Type type(Object schema, String space) throws Unusual {
        if (++types > MAX_TYPES) {
            throw new Unusual();
        }
        if (schema instanceof String) {
            return ofName((String) schema, space);
        }
        if (schema instanceof List) {
            return union((List<?>) schema, space);
        }
        Json.Fields fields = (Json.Fields) schema;
        if (!(fields.get("type") instanceof String)) {
            return type(fields.get("type"), space);
        }
        Type found = described(fields, space);
        String connect = fields.get("connect.name") instanceof String ? (String) fields.get("connect.name") : "";
        boolean logical = fields.get("logicalType") != null && (found.kind == Kind.BYTES || found.kind == Kind.FIXED);
        boolean date = found.kind == Kind.INT && ("date".equals(fields.get("logicalType")) || connect.endsWith(".Date"));
        if (connect.equals("io.debezium.data.VariableScaleDecimal")) {
            throw new Unusual();
        }
        found.opaque |= date;
        found.logical |= logical;
        return found;
    }

    private Type described(Json.Fields fields, String space) throws Unusual {
        String kind = (String) fields.get("type");
        switch (kind) {
            case "record":
            case "error":
                return record(fields, space);
            case "enum":
                Type symbols = new Type(Kind.ENUM);
                symbols.names = ((List<?>) fields.get("symbols")).toArray(new String[0]);
                return define(fullName(fields, space), measured(symbols, 1, 1));
            case "fixed":
                Type fixed = new Type(Kind.FIXED);
                fixed.size = Math.toIntExact(((Json.Number) fields.get("size")).whole().longValueExact());
                fixed.opaque = true;
                if (fixed.size < 0) {
                    throw new Unusual();
                }
                return define(fullName(fields, space), measured(fixed, fixed.size, 1));
            case "array":
                Type array = new Type(Kind.ARRAY);
                array.inner = new Type[] {type(fields.get("items"), space)};
                if (array.inner[0].values > MAX_VALUES_PER_BYTE * array.inner[0].fewest) {
                    throw new Unusual();
                }
                return measured(array, 1, 1);
            case "map":
                Type map = new Type(Kind.MAP);
                map.inner = new Type[] {type(fields.get("values"), space)};
                return measured(map, 1, 1);
            default:
                return ofName(kind, space);
        }
    }

    private Type ofName(String name, String space) throws Unusual {
        switch (name) {
            case "null":
                return measured(new Type(Kind.NULL), 0, 1);
            case "boolean":
                return measured(new Type(Kind.BOOLEAN), 1, 1);
            case "int":
                return measured(new Type(Kind.INT), 1, 1);
            case "long":
                return measured(new Type(Kind.LONG), 1, 1);
            case "float":
                return measured(new Type(Kind.FLOAT), 4, 1);
            case "double":
                return measured(new Type(Kind.DOUBLE), 8, 1);
            case "string":
                return measured(new Type(Kind.STRING), 1, 1);
            case "bytes":
                Type bytes = new Type(Kind.BYTES);
                bytes.opaque = true;
                return measured(bytes, 1, 1);
            default:
                String full = name.indexOf('.') < 0 && !space.isEmpty() ? space + "." + name : name;
                Type found = named.get(full);
                if (found == null || open.contains(full)) { // one that contains itself: messages may be nested at will
                    throw new Unusual();
                }
                return found;
        }
    }

    private Type union(List<?> branches, String space) throws Unusual {
        Type found = new Type(Kind.UNION);
        found.inner = new Type[branches.size()];
        long values = 0;
        for (int i = 0; i < found.inner.length; i++) {
            found.inner[i] = type(branches.get(i), space);
            values = Math.max(values, found.inner[i].values);
        }
        return measured(found, 1, 1 + values);
    }

    private Type record(Json.Fields fields, String space) throws Unusual {
        String full = fullName(fields, space);
        String inside = full.lastIndexOf('.') < 0 ? "" : full.substring(0, full.lastIndexOf('.'));
        Type found = new Type(Kind.RECORD);
        List<?> listed = (List<?>) fields.get("fields");
        found.names = new String[listed.size()];
        found.inner = new Type[listed.size()];
        define(full, found);
        open.add(full);
        long fewest = 0;
        long values = 1;
        for (int i = 0; i < found.inner.length; i++) {
            Json.Fields field = (Json.Fields) listed.get(i);
            found.names[i] = (String) field.get("name");
            found.inner[i] = type(field.get("type"), inside);
            fewest += found.inner[i].fewest;
            values += found.inner[i].values;
            if (found.names[i] == null || values > MAX_TYPES) {
                throw new Unusual();
            }
        }
        open.remove(full);
        return measured(found, fewest, values);
    }

    private static Type measured(Type type, long fewest, long values) {
        type.fewest = fewest;
        type.values = values;
        return type;
    }

    private Type define(String full, Type type) throws Unusual {
        if (named.put(full, type) != null) {
            throw new Unusual();
        }
        return type;
    }

    private static String fullName(Json.Fields fields, String space) {
        String name = (String) fields.get("name");
        if (name.indexOf('.') >= 0) {
            return name;
        }
        Object own = fields.get("namespace");
        String found = own instanceof String ? (String) own : space;
        return found.isEmpty() ? name : found + "." + name;
    }
}
