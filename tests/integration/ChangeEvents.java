import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.Header;
import io.debezium.engine.format.Avro;
import io.debezium.engine.format.JsonByteArray;
import io.debezium.engine.format.SerializationFormat;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Properties;

/**
 * Print the change events of a database, a line each: topic, value in base64 ("-" for a tombstone), and name=value of each
 * header. They are made by the converters that Kafka Connect uses.
 *
 * <p>Arguments: a file of properties, and json or avro.
 */
public final class ChangeEvents {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of(arguments[0]))) {
            properties.load(file);
        }
        if (arguments[1].equals("avro")) {
            run(Avro.class, properties);
        } else {
            run(JsonByteArray.class, properties);
        }
    }

    private static <F extends SerializationFormat<byte[]>> void run(Class<F> format, Properties properties)
            throws Exception {
        try (DebeziumEngine<ChangeEvent<byte[], byte[]>> engine =
                DebeziumEngine.create(format)
                        .using(properties)
                        .using((success, message, error) -> System.err.println("ended: " + message + " " + error))
                        .notifying(ChangeEvents::print)
                        .build()) {
            engine.run();
        }
    }

    private static void print(ChangeEvent<byte[], byte[]> event) {
        StringBuilder line = new StringBuilder(event.destination()).append('\t').append(encoded(event.value()));
        for (Header<?> header : event.headers() == null ? List.<Header<?>>of() : event.headers()) {
            Object value = header.getValue();
            byte[] bytes = value instanceof byte[] b ? b : String.valueOf(value).getBytes(StandardCharsets.UTF_8);
            line.append('\t').append(header.getKey()).append('=').append(encoded(bytes));
        }
        System.out.println(line);
    }

    private static String encoded(byte[] bytes) {
        return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
    }
}
