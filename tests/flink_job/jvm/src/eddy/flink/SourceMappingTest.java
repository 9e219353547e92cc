package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Reads the records that test_java_mapping.py wrote, and writes what came of each for it to compare. */
class SourceMappingTest {
    private static final Path FOLDER = Path.of(System.getProperty("eddy.mappings"));

    @Test
    void eachRecordIsReadAndWrittenForPython() throws Exception {
        List<?> plans = (List<?>) new Json().parse(Files.readAllBytes(FOLDER.resolve("plans.json")));
        SourceMapping[] mappings = new SourceMapping[plans.size()];
        for (int i = 0; i < mappings.length; i++) {
            mappings[i] = new SourceMapping((Json.Fields) plans.get(i), 631_152_000_000L, 4_133_980_799_999L);
        }
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(FOLDER.resolve("records"))).order(ByteOrder.LITTLE_ENDIAN);
        Bytes out = new Bytes();
        int records = 0;
        for (; in.hasRemaining(); records++) {
            SourceMapping mapping = mappings[in.getInt()];
            long timestamp = in.getLong();
            RawEvent event = new RawEvent(text(in), bytes(in), bytes(in), 0, records, timestamp);
            int headers = in.getInt();
            String[] names = new String[headers];
            byte[][] values = new byte[headers][];
            for (int i = 0; i < headers; i++) {
                names[i] = text(in);
                values[i] = bytes(in);
            }
            mapping.read(event.with(names, values));
            out.number8((mapping.unusual ? 2 : 0) + (mapping.refused ? 1 : 0));
            out.number32(mapping.skipped);
            out.number32(mapping.observations.size());
            for (SourceMapping.Observation one : mapping.observations) {
                out.sized(one.series);
                out.sized(Arrays.copyOfRange(mapping.bytes.bytes, one.start, one.end));
            }
        }
        assertTrue(records > 0);
        Files.write(FOLDER.resolve("results"), Arrays.copyOf(out.bytes, out.size));
    }

    private static byte[] bytes(ByteBuffer in) {
        int length = in.getInt();
        byte[] found = length < 0 ? null : new byte[length];
        if (found != null) {
            in.get(found);
        }
        return found;
    }

    private static String text(ByteBuffer in) {
        return new String(bytes(in), StandardCharsets.UTF_8);
    }
}
