import com.android.apksig.ApkSigner;
import com.android.apksig.ApkVerifier;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * Aligns an APK, signs it with a debug key, and verifies it.
 *
 * Arguments: UNSIGNED.apk SIGNED.apk KEYS.p12 MIN_API. If this machine has the debug key of Android's
 * tools, that key is used, so that the APK can replace one that they built; otherwise a key is created
 * in KEYS.p12.
 */
public class SignApk {
    private static final char[] PASSWORD = "android".toCharArray(); // of every Android debug key
    private static final String ALIAS = "androiddebugkey";

    public static void main(String[] args) throws Exception {
        File androidKeys = Path.of(System.getProperty("user.home"), ".android", "debug.keystore").toFile();
        File keys = androidKeys.isFile() ? androidKeys : createKeys(new File(args[2]));
        KeyStore store = KeyStore.getInstance(keys, PASSWORD);
        PrivateKey key = (PrivateKey) store.getKey(ALIAS, PASSWORD);
        X509Certificate certificate = (X509Certificate) store.getCertificate(ALIAS);
        int minApi = Integer.parseInt(args[3]);
        File signed = new File(args[1]);
        new ApkSigner.Builder(List.of(new ApkSigner.SignerConfig.Builder("debug", key, List.of(certificate)).build()))
            .setInputApk(new File(args[0])).setOutputApk(signed).setMinSdkVersion(minApi)
            .setV1SigningEnabled(false).setV2SigningEnabled(true).setV3SigningEnabled(true)
            .build().sign();
        ApkVerifier.Result result = new ApkVerifier.Builder(signed).setMinCheckedPlatformVersion(minApi).build().verify();
        System.out.println("signed and verified: v2 " + result.isVerifiedUsingV2Scheme() + ", v3 " + result.isVerifiedUsingV3Scheme());
        if (!result.isVerified()) {
            System.err.println("error: the APK does not verify: " + result.getErrors());
            System.exit(1);
        }
    }

    private static File createKeys(File keys) throws Exception {
        if (keys.isFile()) return keys;
        Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
        int code = new ProcessBuilder(keytool.toString(), "-genkeypair", "-keystore", keys.getPath(), "-storetype", "PKCS12",
            "-storepass", "android", "-alias", ALIAS, "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000",
            "-dname", "CN=Android Debug").inheritIO().start().waitFor();
        if (code != 0) throw new IllegalStateException("keytool failed with exit code " + code);
        return keys;
    }
}
