import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;

/** Sends and reads a record each second for a while, by the clients of Flink's Kafka connector; prints how many. */
public class JavaClient {
    public static void main(String[] arguments) throws Exception {
        Properties given = new Properties();
        try (var in = Files.newBufferedReader(Path.of(arguments[0]))) {
            given.load(in);
        }
        String topic = arguments[1];
        long end = System.currentTimeMillis() + 1000 * Long.parseLong(arguments[2]);
        String shaded = "org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.";
        given.put("max.block.ms", "10000");
        given.put("default.api.timeout.ms", "10000");
        Properties reads = new Properties();
        reads.putAll(given);
        for (String part : List.of("key", "value")) {
            given.put(part + ".serializer", shaded + "StringSerializer");
            reads.put(part + ".deserializer", shaded + "StringDeserializer");
        }
        int count = 0;
        try (var producer = new KafkaProducer<String, String>(given);
                var consumer = new KafkaConsumer<String, String>(reads)) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seek(partition, consumer.endOffsets(List.of(partition)).get(partition));
            do {
                producer.send(new ProducerRecord<>(topic, "java", "record " + count)).get(20, TimeUnit.SECONDS);
                var found = List.<String>of();
                for (int tries = 0; found.isEmpty() && tries < 20; tries++) {
                    var records = consumer.poll(Duration.ofSeconds(1)).records(partition);
                    found = records.stream().map(record -> record.value()).toList();
                }
                if (!found.equals(List.of("record " + count))) {
                    throw new IllegalStateException("read " + found);
                }
                count++;
                Thread.sleep(arguments[2].equals("0") ? 0 : 1000);
            } while (System.currentTimeMillis() < end);
        }
        System.out.println(Map.of("records", count));
    }
}
