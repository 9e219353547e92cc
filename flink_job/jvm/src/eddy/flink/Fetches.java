package eddy.flink;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.DoubleSupplier;

/**
 * Knows whether the broker answers the fetches of a subtask's consumer, by what the consumer counts: while it does not,
 * that no record comes says nothing about the partitions.
 *
 * <p>A broker answers a fetch that finds nothing after {@code fetch.max.wait.ms}. One broker of several that hangs is not
 * noticed, since the consumer counts their answers together.
 */
final class Fetches {
    static final String ANSWERS = "fetch-total"; // of consumer-fetch-manager-metrics: fetches that were answered
    static final String ASSIGNED = "assigned-partitions"; // of consumer-coordinator-metrics
    private static final String MAX_WAIT = "fetch.max.wait.ms";
    private static final long LEAST_MS = 3000; // between answers, if the broker is there
    private static final Map<String, Consumer> CONSUMERS = new ConcurrentHashMap<>();

    private final String client;
    private double answers = -1;
    private long answered;

    /** One consumer of this process. */
    private static final class Consumer {
        volatile DoubleSupplier answers = () -> 0;
        volatile DoubleSupplier assigned = () -> 0;
        volatile long waitMs = LEAST_MS;
    }

    /** What a consumer gets as {@code metric.reporters}. */
    public static final class Numbers extends Internals.ConsumerNumbers {
        @Override
        void added(String client, String name, DoubleSupplier number) {
            if (name.equals(ANSWERS) || name.equals(ASSIGNED)) {
                Consumer consumer = CONSUMERS.computeIfAbsent(client, unused -> new Consumer());
                if (name.equals(ANSWERS)) {
                    consumer.answers = number;
                } else {
                    consumer.assigned = number;
                }
                Object wait = options.get(MAX_WAIT);
                consumer.waitMs = wait == null ? LEAST_MS : Math.max(LEAST_MS, 2 * Long.parseLong(wait.toString()));
            }
        }

        @Override
        void closed(String client) {
            CONSUMERS.remove(client);
        }
    }

    /** What the names of the consumers of one source begin with. */
    static String prefix(Map<String, String> options) {
        return options.get("group") + options.getOrDefault("suffix", "");
    }

    Fetches(String prefix, int subtask) {
        client = prefix + "-" + subtask; // as Flink's Kafka source makes it
    }

    /** Whether the broker has answered lately, or there is nothing that it could be asked for. */
    boolean answered(long now) {
        Consumer consumer = CONSUMERS.get(client);
        if (consumer == null || consumer.assigned.getAsDouble() == 0) {
            answers = -1;
            return true;
        }
        double found = consumer.answers.getAsDouble();
        if (found != answers) {
            answers = found;
            answered = now;
        }
        return now - answered < consumer.waitMs;
    }
}
