package eddy.flink;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Turns the records of an input source into observations, as {@code inputs/mapping.py} does.
 *
 * <p>That is what a mapping means; this is the same for JSON, fast. What is read here is read as there. What is not, goes
 * to Python with the whole record: it says what is wrong with it. So nothing here has words for errors, and a test with
 * generated messages holds the two together ({@code tests/flink_job/test_java_mapping.py}).
 *
 * <p>Afterwards {@link #observations} holds them in canonical form; of a source with {@code aggregate} they are events,
 * in the form of {@link EventColumns}.
 */
final class SourceMapping {
    private static final int MAX_ELEMENTS = 10_000;
    private static final byte[] SERIES = "{\"series\":".getBytes();
    private static final byte[] TS = ",\"ts\":".getBytes();
    private static final byte[] VALUE = ",\"value\":".getBytes();
    private static final byte[] VALUES = ",\"values\":{".getBytes();

    /** One observation of a record: its series, its time, and where its value stands among the bytes of all. */
    static final class Observation {
        final byte[] series;
        final long ms;
        final int start;
        final int end;

        Observation(byte[] series, long ms, int start, int end) {
            this.series = series;
            this.ms = ms;
            this.start = start;
            this.end = end;
        }
    }

    final String name;
    final int number; // N of input.N
    final boolean wantsHeaders;
    private final List<String> topics = new ArrayList<>();
    private final Pattern pattern;
    final boolean here; // whether this class reads the source's messages
    final long idleMs; // without a record for so long it holds up no other
    private final Json json;
    private final AvroReader avro;
    private SchemaRegistry registry; // of Avro; null: all messages are of one schema, or JSON
    private AvroSchema.Type schema;
    private boolean binary;
    private FieldPath each;
    private FieldPath[] around;
    private MessageConditions conditions;
    private SeriesTemplate template;
    private EventTimes times;
    private ObservedValues values;
    private EventColumns columns; // null: each message is an observation
    private boolean split;
    private boolean checksKey;

    final List<Observation> observations = new ArrayList<>();
    final Bytes bytes = new Bytes();
    int skipped;
    boolean refused; // an element, or the record
    boolean unusual; // nothing was read of the record: Python reads it as a whole

    SourceMapping(Json.Fields plan, long firstMs, long lastMs) {
        name = (String) plan.get("name");
        number = Integer.parseInt(name.substring(name.lastIndexOf('.') + 1));
        json = new Json(wanted(plan));
        avro = new AvroReader(json);
        for (Object topic : (List<?>) plan.get("topics")) {
            topics.add((String) topic);
        }
        String regex = (String) plan.get("pattern");
        pattern = regex.isEmpty() ? null : Pattern.compile(regex);
        here = Boolean.TRUE.equals(plan.get("fast"));
        idleMs = ((Json.Number) plan.get("idle_ms")).shortValue();
        wantsHeaders = Boolean.TRUE.equals(plan.get("headers"));
        if (!here) {
            return;
        }
        binary = "avro".equals(plan.get("format"));
        if (plan.get("registry") instanceof Json.Fields) {
            registry = new SchemaRegistry((Json.Fields) plan.get("registry"));
        } else if (binary) {
            schema = AvroSchema.parse((String) plan.get("schema"));
        }
        each = plan.get("each") == Json.NULL ? null : FieldPath.of(plan.get("each"));
        if (each != null) {
            around = new FieldPath[each.steps.length];
            for (int i = 0; i < around.length; i++) { // from the innermost to the message
                around[i] = new FieldPath(java.util.Arrays.copyOf(each.steps, each.steps.length - 1 - i));
            }
        }
        conditions = new MessageConditions(plan.get("where"));
        template = new SeriesTemplate(plan.get("series"), (String) plan.get("separators"));
        FieldPath time = plan.get("time") == Json.NULL ? null : FieldPath.of(plan.get("time"));
        times = new EventTimes(time, (String) plan.get("unit"), firstMs, lastMs);
        values = new ObservedValues(plan);
        columns = plan.get("columns") instanceof List ? new EventColumns(plan) : null;
        split = Boolean.TRUE.equals(plan.get("split"));
        checksKey = "check".equals(plan.get("key"));
    }

    /** The names of all fields that the mapping asks for; null if it takes whatever number there is. */
    private static Set<String> wanted(Json.Fields plan) {
        if (!(plan.get("wanted") instanceof List)) {
            return null;
        }
        Set<String> names = new HashSet<>();
        for (Object name : (List<?>) plan.get("wanted")) {
            names.add((String) name);
        }
        return names;
    }

    boolean reads(String topic) {
        return topics.contains(topic) || (pattern != null && pattern.matcher(topic).matches());
    }

    void read(RawEvent event) {
        observations.clear();
        bytes.reset();
        skipped = 0;
        refused = unusual = false;
        if (!here) {
            unusual = true;
            return;
        }
        try {
            messages(event);
        } catch (FieldPath.Opaque asked) {
            unusual = true;
        }
        if (unusual) {
            observations.clear();
            skipped = 0;
            refused = false;
        }
    }

    private void messages(RawEvent event) {
        Object found = binary ? avro(event) : json.parse(event.value);
        if (unusual) {
            return;
        }
        if (binary && event.value == null) {
            skipped++; // a tombstone
            return;
        }
        if (found instanceof List) {
            List<?> messages = (List<?>) found;
            if (messages.size() > MAX_ELEMENTS) {
                refused = true;
                return;
            }
            skipped += messages.isEmpty() ? 1 : 0;
            for (int i = 0; i < messages.size() && !unusual; i++) {
                message(event, messages.get(i));
            }
        } else {
            message(event, found);
        }
    }

    /** A message of Avro; null where there is none. */
    private Object avro(RawEvent event) {
        byte[] value = event.value;
        if (value == null) {
            return null;
        }
        if (registry == null) {
            unusual = schema == null;
            return unusual ? null : avro.read(schema, value, 0);
        }
        for (String header : event.headerNames) {
            if (header.equals("__value_schema_id") || header.startsWith("apicurio.value.")) {
                unusual = true;
                return null;
            }
        }
        if (value.length < 5 || value[0] != 0 || value[1] < 0) {
            return null;
        }
        int id = (value[1] & 0xff) << 24 | (value[2] & 0xff) << 16 | (value[3] & 0xff) << 8 | value[4] & 0xff;
        AvroSchema.Type type = registry.type(id);
        unusual = type == null;
        return unusual ? null : avro.read(type, value, 5);
    }

    private void message(RawEvent event, Object message) {
        if (!(message instanceof Json.Fields)) {
            refused = true;
            return;
        }
        if (each == null) {
            element(event, new Object[] {message});
            return;
        }
        Object array = each.find(message);
        if (!(array instanceof List) || ((List<?>) array).size() > MAX_ELEMENTS) {
            refused = true;
            return;
        }
        Object[] scopes = new Object[around.length + 1];
        for (int i = 0; i < around.length; i++) {
            scopes[i + 1] = around[i].find(message);
        }
        skipped += ((List<?>) array).isEmpty() ? 1 : 0;
        for (Object element : (List<?>) array) {
            scopes[0] = element;
            if (element instanceof Json.Fields || element instanceof List) {
                element(event, scopes);
            } else {
                refused = true;
            }
            if (unusual) {
                return;
            }
        }
    }

    private void element(RawEvent event, Object[] scopes) {
        if (!conditions.hold(scopes)) {
            skipped++;
            return;
        }
        String series = template.series(event, scopes, json);
        byte[] id = series == null ? null : SeriesTemplate.bytes(series);
        if (id == null || (checksKey && event.key != null && !java.util.Arrays.equals(id, event.key))) {
            refused = true;
            return;
        }
        Object time = times.path == null ? null : times.path.find(scopes);
        long ms = times.path == null ? times.kafka(event.timestamp) : time == null ? EventTimes.BAD : times.read(time);
        if (ms == EventTimes.UNUSUAL) {
            unusual = true;
            return;
        }
        ObservedValues.Outcome outcome = ms == EventTimes.BAD ? ObservedValues.Outcome.REFUSED
                : columns != null ? columns.read(scopes) : values.read(scopes);
        if (outcome == ObservedValues.Outcome.LEFT_OUT) {
            skipped++;
        } else if (outcome == ObservedValues.Outcome.REFUSED) {
            refused = true;
        } else if (columns != null) {
            int start = bytes.size;
            columns.append(ms, bytes);
            observations.add(new Observation(id, ms, start, bytes.size));
        } else if (!(split ? addEach(series, ms) : add(id, ms))) {
            refused = true;
        }
    }

    private boolean addEach(String series, long ms) {
        int before = observations.size();
        for (int i = 0; i < values.names.size(); i++) {
            byte[] id = SeriesTemplate.bytes(series + "/" + template.escape(values.names.get(i)));
            if (id == null) {
                observations.subList(before, observations.size()).clear();
                return false;
            }
            int start = begin(id, ms);
            bytes.add(VALUE);
            end(id, ms, start, i);
        }
        return true;
    }

    private boolean add(byte[] id, long ms) {
        if (values.names.size() == 1 && values.names.get(0).equals("value")) {
            int start = begin(id, ms);
            bytes.add(VALUE);
            end(id, ms, start, 0);
            return true;
        }
        int start = begin(id, ms);
        bytes.add(VALUES);
        for (int i = 0; i < values.names.size(); i++) {
            if (i > 0) {
                bytes.ascii(",");
            }
            bytes.quoted(values.names.get(i).getBytes(java.nio.charset.StandardCharsets.UTF_8));
            bytes.ascii(":");
            append(values.texts.get(i));
        }
        bytes.ascii("}}");
        observations.add(new Observation(id, ms, start, bytes.size));
        return true;
    }

    private int begin(byte[] id, long ms) {
        int start = bytes.size;
        bytes.add(SERIES);
        bytes.quoted(id);
        bytes.add(TS);
        bytes.decimal(ms);
        return start;
    }

    private void end(byte[] id, long ms, int start, int i) {
        append(values.texts.get(i));
        bytes.ascii("}");
        observations.add(new Observation(id, ms, start, bytes.size));
    }

    private void append(Object text) {
        if (text instanceof byte[]) {
            bytes.add((byte[]) text);
        } else {
            ((Json.Number) text).appendTo(bytes);
        }
    }
}
