package eddy.flink;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks a registry with Confluent's API for schemas of Avro; {@code inputs/schema_registry.py} does for all others.
 *
 * <p>While no address answers, the records wait: the one that is at hand, and all behind it. Python, to which what is
 * unusual goes, would be overtaken by the records behind.
 */
final class SchemaRegistry {
    private static final Logger LOG = LoggerFactory.getLogger(SchemaRegistry.class);
    private static final int MAX_ANSWER_BYTES = 4 * 1024 * 1024;
    private static final int MAX_SCHEMAS = 1000;
    private static final long ABSENT_NANOS = 30_000_000_000L;
    private static final long LONGEST_PAUSE_MS = 5000;

    private final List<String> urls = new ArrayList<>();
    private final Json.Fields options;
    private final Duration timeout;
    private final long patienceMs;
    private final Map<Integer, AvroSchema.Type> types = new HashMap<>(); // null: Python reads messages of it
    private final Map<Integer, Long> absent = new HashMap<>(); // until when it is not asked for again
    private HttpClient client;
    private String authorization;

    /** As flink_job/graph/input_plan.py describes it. */
    SchemaRegistry(Json.Fields options) {
        this.options = options;
        for (Object url : (List<?>) options.get("urls")) {
            urls.add((String) url);
        }
        timeout = Duration.ofMillis(((Json.Number) options.get("timeout_ms")).shortValue());
        patienceMs = ((Json.Number) options.get("patience_ms")).shortValue();
    }

    /** The type of a schema; null where Python has to look, since it is unusual or there is none. */
    AvroSchema.Type type(int id) {
        if (types.containsKey(id)) {
            return types.get(id);
        }
        Long until = absent.get(id);
        if (until != null && System.nanoTime() - until < 0) {
            return null;
        }
        Object answer = ask("/schemas/ids/" + id);
        if (answer == null) {
            if (absent.size() >= MAX_SCHEMAS) {
                absent.clear();
            }
            absent.put(id, System.nanoTime() + ABSENT_NANOS);
            return null;
        }
        if (types.size() >= MAX_SCHEMAS) {
            types.clear();
        }
        AvroSchema.Type type = usual(answer);
        types.put(id, type);
        return type;
    }

    private static AvroSchema.Type usual(Object answer) {
        if (!(answer instanceof Json.Fields)) {
            return null;
        }
        Json.Fields fields = (Json.Fields) answer;
        Object kind = fields.get("schemaType");
        Object references = fields.get("references");
        boolean alone = references == null || (references instanceof List && ((List<?>) references).isEmpty());
        boolean avro = kind == null || "AVRO".equals(kind);
        return avro && alone && fields.get("schema") instanceof String ? AvroSchema.parse((String) fields.get("schema")) : null;
    }

    /** The JSON at a path; null where the registry says that there is none. */
    private Object ask(String path) {
        long began = System.nanoTime();
        long pause = 200;
        boolean waits = false;
        while (true) {
            StringBuilder away = new StringBuilder();
            boolean none = false;
            for (String url : List.copyOf(urls)) {
                HttpResponse<InputStream> response = send(url + path, away, false);
                if (response == null) {
                    continue;
                }
                byte[] body = body(response, away);
                Object found = body == null ? null : new Json().parse(body);
                if (response.statusCode() == 200 && found != null) {
                    urls.remove(url);
                    urls.add(0, url);
                    if (waits) {
                        LOG.warn("the schema registry answers again");
                    }
                    return found;
                }
                if (response.statusCode() == 404 && found instanceof Json.Fields && ((Json.Fields) found).get("error_code") != null) {
                    none = true; // another one may have it: they learn of new schemas one after the other
                } else {
                    away.append(url).append(" answered ").append(response.statusCode()).append("; ");
                }
            }
            if (none) {
                return null;
            }
            if ((System.nanoTime() - began) / 1_000_000 + pause > patienceMs) {
                throw new IllegalStateException("no schema registry answered for " + patienceMs / 1000 + " s: " + away);
            }
            if (!waits) {
                LOG.warn("the schema registry does not answer; records wait for up to {} s: {}", patienceMs / 1000, away);
            }
            waits = true;
            sleep(pause);
            pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
        }
    }

    private HttpResponse<InputStream> send(String url, StringBuilder away, boolean again) {
        try {
            if (client == null || again) {
                client = client();
                authorization = authorization();
            }
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).timeout(timeout)
                    .header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
            if (authorization != null) {
                request.header("Authorization", authorization);
            }
            HttpResponse<InputStream> response = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
            int status = response.statusCode();
            if (status == 401 || status == 403) {
                response.body().close();
                if (!again) { // the files of password and token may hold another one by now
                    return send(url, away, true);
                }
                throw Internals.forGood(url + " answered " + status + ": the schema registry refuses the credentials; see schema_registry");
            }
            return response;
        } catch (IOException | GeneralSecurityException error) {
            away.append(url).append(": ").append(error).append("; ");
            return null;
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("ended while the schema registry was asked", ended);
        }
    }

    private static byte[] body(HttpResponse<InputStream> response, StringBuilder away) {
        try (InputStream in = response.body()) {
            byte[] found = in.readNBytes(MAX_ANSWER_BYTES + 1);
            return found.length > MAX_ANSWER_BYTES ? null : found;
        } catch (IOException error) {
            away.append(error).append("; ");
            return null;
        }
    }

    private HttpClient client() throws IOException, GeneralSecurityException {
        HttpClient.Builder found = HttpClient.newBuilder().connectTimeout(timeout).followRedirects(HttpClient.Redirect.NEVER);
        if (options.get("ssl_cafile") instanceof String) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            try (InputStream in = Files.newInputStream(Path.of((String) options.get("ssl_cafile")))) {
                int number = 0;
                for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                    store.setCertificateEntry("ca-" + number++, one);
                }
            }
            TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trusted.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trusted.getTrustManagers(), null);
            found.sslContext(context);
        }
        return found.build();
    }

    private String authorization() throws IOException {
        if (options.get("username") instanceof String) {
            String pair = options.get("username") + ":" + secret("password");
            return "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
        }
        return options.get("token") instanceof String ? "Bearer " + secret("token") : null;
    }

    /** A secret, of which the options hold the place: a file, or a variable of this process. */
    private String secret(String name) throws IOException {
        String place = options.get(name) instanceof String ? (String) options.get(name) : "";
        if (place.startsWith("/")) {
            return Files.readString(Path.of(place)).replaceFirst("[\\r\\n]+$", "");
        }
        String found = System.getenv(place);
        return found == null ? "" : found;
    }

    private static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("ended while the schema registry was away", ended);
        }
    }
}
