import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Does what MSK's brokers do with the token of its IAM signer: a presigned URL, in Base 64.
 *
 * It must ask for kafka-cluster:Connect, be young enough, and be signed by the one secret key that JAAS names, which
 * is computed again here (AWS Signature Version 4). The principal is the access key's id.
 */
public class MskTokens implements AuthenticateCallbackHandler {
    private static final DateTimeFormatter STAMP =
        DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private String accessKey;
    private String secretKey;

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        Map<String, ?> options = entries.get(0).getOptions();
        accessKey = (String) options.get("access_key");
        secretKey = (String) options.get("secret_key");
    }

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback one : callbacks) {
            if (one instanceof OAuthBearerValidatorCallback asked) {
                try {
                    asked.token(accepted(asked.tokenValue()));
                } catch (GeneralSecurityException | RuntimeException problem) {
                    asked.error("invalid_token", null, null);
                }
            }
        }
    }

    private OAuthBearerToken accepted(String value) throws GeneralSecurityException {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        Map<String, String> said = new TreeMap<>();
        StringBuilder signedQuery = new StringBuilder();
        for (String pair : new java.util.TreeSet<>(List.of(url.getRawQuery().split("&")))) {
            String[] both = pair.split("=", 2);
            said.put(both[0], URLDecoder.decode(both[1], StandardCharsets.UTF_8));
            if (!both[0].equals("X-Amz-Signature") && !both[0].equals("User-Agent")) {
                signedQuery.append(signedQuery.length() == 0 ? "" : "&").append(pair);
            }
        }
        Instant from = STAMP.parse(said.get("X-Amz-Date"), Instant::from);
        Instant until = from.plusSeconds(Long.parseLong(said.get("X-Amz-Expires")));
        Instant now = Instant.now();
        String[] scope = said.get("X-Amz-Credential").split("/");  // key id, day, region, service, aws4_request
        String host = "kafka." + scope[2] + ".amazonaws.com";
        String request = "GET\n/\n" + signedQuery + "\nhost:" + host + "\n\nhost\n" + hash("");
        String text = "AWS4-HMAC-SHA256\n" + said.get("X-Amz-Date") + "\n"
            + String.join("/", scope[1], scope[2], scope[3], scope[4]) + "\n" + hash(request);
        byte[] key = ("AWS4" + secretKey).getBytes(StandardCharsets.UTF_8);
        for (String part : List.of(scope[1], scope[2], scope[3], scope[4])) {
            key = hmac(key, part);
        }
        boolean sound = url.getHost().equals(host) && "kafka-cluster:Connect".equals(said.get("Action"))
            && scope[0].equals(accessKey) && from.isBefore(now.plusSeconds(300)) && until.isAfter(now)
            && HexFormat.of().formatHex(hmac(key, text)).equals(said.get("X-Amz-Signature"));
        if (!sound) {
            throw new GeneralSecurityException("not a token of ours");
        }
        return new Token(value, scope[0], from.toEpochMilli(), until.toEpochMilli());
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String hash(String text) throws GeneralSecurityException {
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(sum);
    }

    @Override
    public void close() {
    }

    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs)
        implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }
}
