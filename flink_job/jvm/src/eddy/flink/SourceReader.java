package eddy.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the records of the input sources of one cluster, and keeps those that Python has to look at.
 *
 * <p>Python gets frames ({@code flink_job/wire/unread.py} reads them), little-endian: u8 kind (as in {@link Frame}), i64 wall
 * clock, i64 checkpoint, i32 length and JSON of what each source has read since the last frame, i32 records; of each its
 * topic (u16 length, bytes), i32 partition, i64 offset, i64 timestamp, i32 observations that were read already (-1: none
 * was looked for), key and value (i32 length, -1: none; bytes), u16 headers, of each u16 length, name, i32 length, value.
 */
final class SourceReader {
    private final List<SourceMapping> mappings = new ArrayList<>();
    private final Map<String, SourceMapping> byTopic = new HashMap<>();
    private final Map<SourceMapping, Counts> counts = new HashMap<>();
    private final Bytes records = new Bytes();
    private int count;
    private String lastTopic;
    private SourceMapping last;

    /** What a source has read since the last frame. */
    private static final class Counts {
        long records;
        long observations;
        long skipped;
        long newest = Long.MIN_VALUE; // timestamp of a record
        final DistinctSeries series = new DistinctSeries();
    }

    /** The sources that the plan (flink_job/graph/input_plan.py) lists. */
    SourceReader(String plan, long firstMs, long lastMs) {
        for (Object source : (List<?>) new Json().parse(plan.getBytes(StandardCharsets.UTF_8))) {
            mappings.add(new SourceMapping((Json.Fields) source, firstMs, lastMs));
        }
        mappings.forEach(mapping -> counts.put(mapping, new Counts()));
    }

    /** The mapping of a topic; null for a topic of no source, which an earlier one may have left in the state. */
    SourceMapping of(String topic) {
        if (topic != lastTopic) { // a partition's records share one text
            if (!byTopic.containsKey(topic)) {
                byTopic.put(topic, mappings.stream().filter(one -> one.reads(topic)).findFirst().orElse(null));
            }
            lastTopic = topic;
            last = byTopic.get(topic);
        }
        return last;
    }

    /** Tells the clocks of which sources records are read here. */
    void expect(SourceClocks clocks) {
        mappings.stream().filter(one -> one.here).forEach(one -> clocks.expect(one.number, one.idleMs));
    }

    /** Whether it is Python that reads some source as a whole. */
    boolean leavesSources() {
        return mappings.stream().anyMatch(one -> !one.here);
    }

    /** Reads a record; what came of it stands in the mapping. */
    void read(SourceMapping mapping, RawEvent event) {
        mapping.read(event);
        Counts found = counts.get(mapping);
        found.records++;
        found.newest = Math.max(found.newest, event.timestamp);
        found.observations += mapping.observations.size();
        if (mapping.unusual || mapping.refused) {
            keep(event, mapping.unusual ? -1 : mapping.observations.size());
        }
        found.skipped += mapping.unusual ? 0 : mapping.skipped;
        for (SourceMapping.Observation one : mapping.observations) {
            found.series.add(one.series);
        }
    }

    private void keep(RawEvent event, int read) {
        byte[] topic = event.topic.getBytes(StandardCharsets.US_ASCII);
        records.number16(topic.length);
        records.add(topic);
        records.number32(event.partition);
        records.number64(event.offset);
        records.number64(event.timestamp);
        records.number32(read);
        records.sized(event.key);
        records.sized(event.value);
        records.number16(event.headerNames.length);
        for (int i = 0; i < event.headerNames.length; i++) {
            byte[] name = event.headerNames[i].getBytes(StandardCharsets.UTF_8);
            records.number16(name.length);
            records.add(name);
            records.sized(event.headerValues[i]);
        }
        count++;
    }

    /** Bytes of the records that wait for Python. */
    int bytes() {
        return records.size;
    }

    /** Whether there is something to tell Python. */
    boolean hasNews() {
        return count > 0 || counts.values().stream().anyMatch(one -> one.records > 0);
    }

    byte[] take(byte kind, long now, long checkpoint) {
        Bytes out = new Bytes();
        out.number8(kind);
        out.number64(now);
        out.number64(checkpoint);
        out.sized(countsAsJson().getBytes(StandardCharsets.US_ASCII));
        out.number32(count);
        out.add(records.bytes, 0, records.size);
        count = 0;
        records.reset();
        return Arrays.copyOf(out.bytes, out.size);
    }

    private String countsAsJson() {
        StringBuilder out = new StringBuilder("{");
        counts.forEach((mapping, found) -> {
            if (found.records > 0) {
                out.append(out.length() > 1 ? "," : "").append('"').append(mapping.name).append("\":[").append(found.records)
                        .append(',').append(found.observations).append(',').append(found.skipped).append(',')
                        .append(found.newest).append(',').append(found.series.count()).append(']');
                found.records = found.observations = found.skipped = 0;
                found.newest = Long.MIN_VALUE;
            }
        });
        return out.append('}').toString();
    }
}
