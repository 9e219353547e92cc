package eddy.flink;

import java.util.Map;

/** Tells Java's Kerberos of its file (kafka.kerberos_config), which is one for a JVM, before a Kafka client logs in. */
public final class Kerberos extends Internals.Login {
    private static final String PROPERTY = "java.security.krb5.conf";
    private Map<String, String> options = Map.of();

    @Override
    void begin(Map<String, String> given) {
        options = given;
        String file = given.get("krb5Config");
        if (file != null) {
            System.setProperty(PROPERTY, file);
        }
    }

    @Override
    Internals.Token token() {
        throw new IllegalStateException("Kerberos has no tokens");
    }

    @Override
    Map<String, String> extensions() {
        return Map.of();
    }

    /** Java's Kerberos asks for a password when a keytab has no key for the principal. */
    @Override
    String unsupported() {
        return "kafka.kerberos_keytab: " + options.get("keyTab") + " cannot be read on this machine, or holds no key of "
                + options.get("principal");
    }
}
