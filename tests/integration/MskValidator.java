package eddy.test;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/** Checks a token for Amazon MSK in a broker, as AWS documents signatures (version 4) of queries; written for tests. */
public class MskValidator implements AuthenticateCallbackHandler {
    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void handle(Callback[] callbacks) {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback found) {
                String wrong;
                try {
                    wrong = check(found.tokenValue());
                } catch (Exception error) {
                    wrong = error.toString();
                }
                if (wrong == null) {
                    found.token(token(found.tokenValue()));
                } else {
                    System.out.println("refused: " + wrong);
                    found.error("invalid_token", null, null);
                }
            } else if (callback instanceof OAuthBearerExtensionsValidatorCallback found) {
                found.inputExtensions().map().keySet().forEach(found::valid);
            }
        }
    }

    static String check(String token) throws Exception {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8));
        Map<String, String> raw = new TreeMap<>(Arrays.stream(url.getRawQuery().split("&"))
                .collect(Collectors.toMap(one -> one.split("=", 2)[0], one -> one.split("=", 2)[1])));
        Map<String, String> query = new TreeMap<>(raw);
        query.replaceAll((name, text) -> URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8));
        String[] credential = query.get("X-Amz-Credential").split("/");
        String key = System.getProperty("eddy.test.aws_access_key_id");
        if (!url.getScheme().equals("https") || !url.getPath().equals("/")
                || !url.getHost().equals("kafka." + credential[2] + ".amazonaws.com")) {
            return "address " + url.getScheme() + " " + url.getHost() + url.getPath();
        }
        if (credential.length != 5 || !credential[0].equals(key) || !credential[3].equals("kafka-cluster")
                || !credential[4].equals("aws4_request")) {
            return "credential " + query.get("X-Amz-Credential");
        }
        if (!query.get("Action").equals("kafka-cluster:Connect") || query.get("User-Agent") == null
                || !query.get("X-Amz-Expires").equals("900") || !query.get("X-Amz-SignedHeaders").equals("host")
                || !query.get("X-Amz-Algorithm").equals("AWS4-HMAC-SHA256")) {
            return "parameters " + query.keySet();
        }
        String time = query.get("X-Amz-Date");
        Instant began = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC).parse(time, Instant::from);
        long age = Instant.now().getEpochSecond() - began.getEpochSecond();
        if (age < -60 || age > 900 || !time.startsWith(credential[1])) {
            return "time " + time;
        }
        String signature = raw.remove("X-Amz-Signature");
        raw.remove("User-Agent");
        String text = raw.entrySet().stream().map(one -> one.getKey() + "=" + one.getValue()).collect(Collectors.joining("&"));
        String request = "GET\n/\n" + text + "\nhost:" + url.getHost() + "\n\nhost\n" + sha256("");
        String scope = String.join("/", credential[1], credential[2], credential[3], credential[4]);
        byte[] with = ("AWS4" + System.getProperty("eddy.test.aws_secret_access_key")).getBytes(StandardCharsets.UTF_8);
        String signed = "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + sha256(request);
        for (String part : List.of(credential[1], credential[2], credential[3], credential[4], signed)) {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(with, "HmacSHA256"));
            with = mac.doFinal(part.getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(with).equals(signature) ? null : "signature";
    }

    private static String sha256(String text) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static OAuthBearerToken token(String value) {
        long ends = System.currentTimeMillis() + 900_000;
        return new OAuthBearerToken() {
            public String value() {
                return value;
            }

            public Set<String> scope() {
                return Set.of();
            }

            public long lifetimeMs() {
                return ends;
            }

            public String principalName() {
                return "msk";
            }

            public Long startTimeMs() {
                return null;
            }
        };
    }

    @Override
    public void close() {}
}
