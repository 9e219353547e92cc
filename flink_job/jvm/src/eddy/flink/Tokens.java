package eddy.flink;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gets tokens from an OpenID Connect token endpoint (grant client_credentials), as eddy/connection_tokens.py does.
 *
 * <p>Kafka's own handler cannot run here: the connector's jar was made without the Jackson that it reads answers with,
 * and it wants each address allowed by a property of the whole JVM (docs/decisions/079-kafka-logins.md).
 */
public final class Tokens extends Internals.Login {
    static final int MAX_BYTES = 1024 * 1024;
    private static final Logger LOG = LoggerFactory.getLogger(Tokens.class);
    private static final int TIMEOUT_MS = 10_000;
    private static final int MAX_WORD = 200;
    private static final long SKEW_MS = 30_000;
    private static final String EXTENSION = "extension_";
    private Map<String, String> options = Map.of();

    @Override
    void begin(Map<String, String> given) {
        options = given;
    }

    @Override
    Map<String, String> extensions() {
        Map<String, String> found = new TreeMap<>();
        options.forEach((name, value) -> {
            if (name.startsWith(EXTENSION)) {
                found.put(name.substring(EXTENSION.length()), value);
            }
        });
        return found;
    }

    @Override
    String unsupported() {
        return "kafka.sasl_mechanism " + (options.containsKey("region") ? "AWS_MSK_IAM" : "OAUTHBEARER") + " has tokens only";
    }

    @Override
    Internals.Token token() throws IOException {
        try {
            Internals.Token found = options.containsKey("region") ? MskToken.sign(options.get("region")) : fetch();
            // what to look at when the broker refuses it, which says no more than invalid_token
            LOG.info("token for Kafka: {}", found.facts);
            return found;
        } catch (IOException error) {
            LOG.error(error.getMessage()); // renewing it, Kafka's client tries for long before a job fails
            throw error;
        }
    }

    private Internals.Token fetch() throws IOException {
        String url = options.get("url");
        String where = "no token for Kafka from " + url + ": ";
        String login = encoded(options.get("clientId")) + ":" + encoded(options.get("clientSecret"));
        String form = "grant_type=client_credentials";
        if (options.get("scope") != null) {
            form += "&scope=" + encoded(options.get("scope"));
        }
        Map<String, String> headers = new HashMap<>();
        headers.put("Authorization", "Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8)));
        headers.put("Accept", "application/json");
        headers.put("Content-Type", "application/x-www-form-urlencoded");
        Answer answer;
        try {
            answer = ask("POST", url, headers, form, options.get("cafile"), TIMEOUT_MS);
        } catch (SSLException error) {
            throw new IOException(
                    where + "its certificate is not trusted (" + word(error.getMessage()) + "); kafka.oauth_cafile names its authority");
        } catch (IOException error) {
            throw new IOException(
                    where + "the token endpoint does not answer (" + word(error.toString()) + "); check kafka.oauth_token_url, and"
                            + " whether this machine reaches it");
        }
        Map<String, Object> found = Internals.json(answer.content);
        if (answer.status != 200) {
            throw new IOException(where + refusal(answer.status, found));
        }
        if (!(found.get("access_token") instanceof String)) {
            throw new IOException(where + "the answer holds no access_token; is it a token endpoint?");
        }
        String value = (String) found.get("access_token");
        if (!value.matches("[A-Za-z0-9._~+/-]+=*")) {
            throw new IOException(where + "the answer's access_token is no bearer token");
        }
        return checked(value, found.get("expires_in"), where, answer.date);
    }

    private Internals.Token checked(String value, Object life, String where, long date) throws IOException {
        long now = System.currentTimeMillis();
        Map<String, Object> claims = claims(value);
        long ends = milliseconds(claims.get("exp"));
        if (ends == 0) {
            long left = milliseconds(life);
            if (left == 0) {
                throw new IOException(
                        where + "neither the token nor the answer says until when it is valid (exp, expires_in)");
            }
            ends = now + left;
        }
        long begins = milliseconds(claims.getOrDefault("nbf", claims.get("iat")));
        StringBuilder facts = new StringBuilder();
        String[][] names = {
            {"aud", "audience"}, {"scope", "scope"}, {"scp", "scope"}, {"iss", "issuer"}, {"sub", "subject"}
        };
        for (String[] name : names) {
            if (claims.get(name[0]) != null) {
                facts.append(name[1]).append(' ').append(word(claims.get(name[0]).toString())).append(", ");
            }
        }
        facts.append("valid ").append(begins == 0 ? "" : "from " + at(begins) + " ").append("until ").append(at(ends));
        long ahead = date == 0 ? 0 : now - date;
        boolean skewed = Math.abs(ahead) > SKEW_MS;
        if (skewed) {
            facts.append("; this machine's clock is ").append(Math.abs(ahead) / 1000).append(" s ");
            facts.append(ahead > 0 ? "ahead of" : "behind").append(" the endpoint's");
        }
        if (ends <= now) {
            throw new IOException(
                    where + "the token ended " + (now - ends) / 1000 + " s ago (" + facts + "); set the clock");
        }
        if (skewed || begins - now > SKEW_MS) {
            LOG.warn("the token for Kafka may be refused: {}; set the clock", facts);
        }
        Object subject = claims.get("sub");
        return new Internals.Token(
                value, ends, subject instanceof String ? (String) subject : options.get("clientId"), facts.toString());
    }

    private static Map<String, Object> claims(String token) {
        String[] parts = token.split("\\.");
        try {
            return parts.length < 2 ? Map.of() : Internals.json(Base64.getUrlDecoder().decode(parts[1]));
        } catch (IllegalArgumentException error) {
            return Map.of();
        }
    }

    private static long milliseconds(Object seconds) {
        double number = seconds instanceof Number ? ((Number) seconds).doubleValue() : 0;
        return number > 0 && number < 1e11 ? Math.round(number * 1000) : 0;
    }

    private static String at(long milliseconds) {
        return Instant.ofEpochMilli(milliseconds).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static String word(String text) {
        String plain = String.valueOf(text).replaceAll("\\p{Cntrl}", "?");
        return plain.length() <= MAX_WORD ? plain : plain.substring(0, MAX_WORD) + "…";
    }

    private static String refusal(int status, Map<String, Object> found) {
        String code = String.valueOf(found.getOrDefault("error", ""));
        Object why = found.get("error_description");
        String said = "it refused with " + status + " " + word(code) + (why == null ? "" : " (" + word(why.toString()) + ")");
        String hint = "";
        if (code.equals("invalid_scope")) {
            hint = "; check kafka.oauth_scope";
        } else if (code.equals("invalid_target")) {
            hint = "; check kafka.oauth_scope, and the audience of the client";
        } else if (code.equals("unauthorized_client")) {
            hint = "; the client may not use the grant client_credentials";
        } else if (code.equals("invalid_client") || status == 401 || status == 403) {
            hint = "; check kafka.oauth_client_id and kafka.oauth_client_secret";
        } else if (status / 100 == 3 || status == 404 || status == 405) {
            hint = "; check kafka.oauth_token_url";
        }
        return said.strip() + hint;
    }

    /** As a form and RFC 3986 have it; both leave letters, digits and {@code - . _ ~} as they are. */
    static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    /** An answer by HTTP; its date is 0 if it has none. */
    static final class Answer {
        final int status;
        final byte[] content;
        final long date;

        Answer(int status, byte[] content, long date) {
            this.status = status;
            this.content = content;
            this.date = date;
        }
    }

    static Answer ask(
            String method, String url, Map<String, String> headers, String body, String authority, int timeout)
            throws IOException {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        try {
            if (connection instanceof HttpsURLConnection && authority != null) {
                ((HttpsURLConnection) connection).setSSLSocketFactory(trusting(Path.of(authority)));
            }
            connection.setRequestMethod(method);
            connection.setInstanceFollowRedirects(false); // secrets would go along
            connection.setConnectTimeout(timeout);
            connection.setReadTimeout(timeout);
            headers.forEach(connection::setRequestProperty);
            if (body != null) {
                connection.setDoOutput(true);
                connection.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
            }
            int status = connection.getResponseCode();
            try (InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
                byte[] content = in == null ? new byte[0] : in.readNBytes(MAX_BYTES);
                return new Answer(status, content, connection.getDate());
            }
        } finally {
            connection.disconnect();
        }
    }

    private static SSLSocketFactory trusting(Path authority) throws IOException {
        try {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            int number = 0;
            InputStream in = new ByteArrayInputStream(Files.readAllBytes(authority));
            for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("authority-" + number++, one);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context.getSocketFactory();
        } catch (GeneralSecurityException error) {
            throw new IOException("kafka.oauth_cafile: " + authority + ": " + error);
        }
    }
}
