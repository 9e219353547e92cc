package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** {@link Fetches}: when a broker counts as answering. */
class FetchesTest {
    private final Fetches fetches = new Fetches(Fetches.prefix(Map.of("group", "eddy", "suffix", "-b")), 3);
    private final Fetches.Numbers consumer = new Fetches.Numbers();
    private double answers = 7;
    private double assigned = 2;

    private void begin(String client) {
        consumer.added(client, Fetches.ANSWERS, () -> answers);
        consumer.added(client, Fetches.ASSIGNED, () -> assigned);
        consumer.added(client, "fetch-rate", () -> 0);
    }

    @AfterEach
    void close() {
        consumer.closed("eddy-b-3");
        consumer.closed("eddy-b-4");
    }

    @Test
    void withoutAConsumerThereIsNothingToWaitFor() {
        begin("eddy-b-4");
        assertTrue(fetches.answered(0));
        assertTrue(fetches.answered(100_000));
    }

    @Test
    void brokerThatDoesNotAnswerIsNoticedAndSoIsItsReturn() {
        begin("eddy-b-3");
        assertTrue(fetches.answered(1000));
        assertTrue(fetches.answered(3999));
        assertFalse(fetches.answered(4000));
        answers++;
        assertTrue(fetches.answered(9000));
        assertFalse(fetches.answered(12_000));
    }

    @Test
    void withoutPartitionsNothingIsAsked() {
        assigned = 0;
        begin("eddy-b-3");
        assertTrue(fetches.answered(0));
        assertTrue(fetches.answered(100_000));
        assigned = 1;
        assertTrue(fetches.answered(100_001));
        assertFalse(fetches.answered(103_001));
    }

    @Test
    void closedConsumerIsForgotten() {
        begin("eddy-b-3");
        assertTrue(fetches.answered(0));
        assertFalse(fetches.answered(5000));
        consumer.closed("eddy-b-3");
        assertTrue(fetches.answered(6000));
    }

    @Test
    void longFetchesAreWaitedFor() {
        consumer.configure(Map.of("client.id", "eddy-b-3", "fetch.max.wait.ms", 10_000));
        begin("eddy-b-3");
        assertTrue(fetches.answered(0));
        assertTrue(fetches.answered(19_999));
        assertFalse(fetches.answered(20_000));
    }
}
