package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * What S3's failures mean. Their text is S3's own code and message, and who asked: nothing of the
 * request, in which there are signatures.
 */
final class S3Errors {
    private final StoreSettings.S3 settings;
    private final AwsCredentialsProvider credentials;

    S3Errors(StoreSettings.S3 settings, AwsCredentialsProvider credentials) {
        this.settings = settings;
        this.credentials = credentials;
    }

    <T> T attempt(String action, String key, Supplier<T> request) {
        try {
            return request.get();
        } catch (S3Exception e) {
            AwsErrorDetails details = e.awsErrorDetails();
            String code = details == null ? "" : String.valueOf(details.errorCode());
            String message = details == null ? "" : String.valueOf(details.errorMessage());
            throw of(action, key, code, e.statusCode(), message, e);
        } catch (SdkClientException e) {
            throw of(action, key, e);
        } catch (SdkException e) {
            throw new PageserverException(
                    ErrorCode.UNAVAILABLE, where(action, key) + ": " + e.getMessage(), e);
        }
    }

    /** No answer, or no identity to ask with. */
    private PageserverException of(String action, String key, SdkClientException e) {
        String message = String.valueOf(e.getMessage());
        if (message.contains("Unable to load credentials")) {
            return new PageserverException(
                    ErrorCode.DENIED,
                    "%s: no identity: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor a profile in the shared credentials file, nor the machine's own"
                            .formatted(where(action, key)));
        }
        return new PageserverException(
                ErrorCode.UNAVAILABLE, where(action, key) + ": " + message, e);
    }

    PageserverException of(
            String action,
            String key,
            String code,
            int status,
            String message,
            @Nullable Throwable cause) {
        ErrorCode meaning = meaning(action, code, status);
        String text =
                "%s: %s %s".formatted(where(action, key), code.isEmpty() ? status : code, message);
        if (meaning == ErrorCode.DENIED) {
            text +=
                    "; %s lacks %s on %s (without s3:ListBucket an object that is not there is denied, too)"
                            .formatted(identity(), permission(action), resource(action, key));
        }
        return cause == null
                ? new PageserverException(meaning, text)
                : new PageserverException(meaning, text, cause);
    }

    /** S3's codes where there is one, else the status: answers to HEAD have no body. */
    static ErrorCode meaning(String action, String code, int status) {
        return switch (code) {
            // A put whose version is to be replaced finds none.
            case "NoSuchKey" ->
                    permission(action).equals("s3:PutObject")
                            ? ErrorCode.CONFLICT
                            : ErrorCode.NOT_FOUND;
            case "NoSuchBucket" -> ErrorCode.BAD_REQUEST;
            case "PreconditionFailed" -> ErrorCode.CONFLICT;
            case "InvalidRange" -> ErrorCode.CORRUPTION;
            case "SlowDown",
                    "Throttling",
                    "ThrottlingException",
                    "RequestLimitExceeded",
                    "TooManyRequests",
                    "RequestThrottled" ->
                    ErrorCode.THROTTLED;
            // The bytes changed on the way, or took too long, or two puts met: nothing was put.
            case "BadDigest",
                    "XAmzContentSHA256Mismatch",
                    "XAmzContentChecksumMismatch",
                    "InvalidDigest",
                    "IncompleteBody",
                    "RequestTimeout",
                    "OperationAborted",
                    "ConditionalRequestConflict" ->
                    ErrorCode.UNAVAILABLE;
            // Somebody has given it up: the put can begin anew.
            case "NoSuchUpload" ->
                    action.equals("AbortMultipartUpload")
                            ? ErrorCode.NOT_FOUND
                            : ErrorCode.UNAVAILABLE;
            case "ExpiredToken",
                    "InvalidToken",
                    "TokenRefreshRequired",
                    "InvalidAccessKeyId",
                    "SignatureDoesNotMatch",
                    "AccessDenied",
                    "AllAccessDisabled",
                    "AccountProblem",
                    "RequestTimeTooSkewed" ->
                    ErrorCode.DENIED;
            default ->
                    switch (status) {
                        case 401, 403 -> ErrorCode.DENIED;
                        case 404 -> ErrorCode.NOT_FOUND;
                        // Completing an upload, some say so with 304.
                        case 304, 412 -> ErrorCode.CONFLICT;
                        case 416 -> ErrorCode.CORRUPTION;
                        case 409 -> ErrorCode.UNAVAILABLE;
                        case 429 -> ErrorCode.THROTTLED;
                        default ->
                                status >= 300 && status < 500
                                        ? ErrorCode.BAD_REQUEST
                                        : ErrorCode.UNAVAILABLE;
                    };
        };
    }

    static String permission(String action) {
        return switch (action) {
            case "GetObject", "HeadObject" -> "s3:GetObject";
            case "GetObjectVersion", "HeadObjectVersion" -> "s3:GetObjectVersion";
            case "DeleteObjects" -> "s3:DeleteObject";
            case "ListObjectsV2" -> "s3:ListBucket";
            case "ListObjectVersions" -> "s3:ListBucketVersions";
            case "ListMultipartUploads" -> "s3:ListBucketMultipartUploads";
            case "AbortMultipartUpload" -> "s3:AbortMultipartUpload";
            case "CopyObject", "UploadPartCopy" -> "s3:GetObject or s3:PutObject";
            default -> "s3:PutObject";
        };
    }

    private String resource(String action, String key) {
        boolean bucket = permission(action).startsWith("s3:ListBucket");
        return "arn:aws:s3:::"
                + settings.bucket()
                + (bucket
                        ? ""
                        : "/" + (key.startsWith(settings.prefix()) ? "" : settings.prefix()) + key);
    }

    private String where(String action, String key) {
        return "%s %s in bucket %s".formatted(action, key, settings.bucket());
    }

    /** Whose key is used and where it was found; never the key itself. */
    String identity() {
        try {
            AwsCredentials found = credentials.resolveCredentials();
            String id = found.accessKeyId();
            String masked =
                    id.length() <= 8
                            ? "..."
                            : id.substring(0, 4) + "..." + id.substring(id.length() - 4);
            return "access key %s from %s"
                    .formatted(masked, found.providerName().map(S3Errors::source).orElse("code"));
        } catch (SdkException e) {
            return "no identity";
        }
    }

    /** Where a provider of the library's chain has looked. */
    static String source(String provider) {
        // Several names mean that one wraps the other.
        String[] names = provider.split("[,$]", -1);
        return switch (names[names.length - 1].toLowerCase(Locale.ROOT)) {
            case "environmentvariablecredentialsprovider" -> "the environment";
            case "systempropertycredentialsprovider" -> "system properties";
            case "profilecredentialsprovider" -> "the shared credentials file";
            case "webidentitytokenfilecredentialsprovider", "webidentitycredentialsprovider" ->
                    "a web identity token";
            case "containercredentialsprovider" -> "the container";
            case "instanceprofilecredentialsprovider" -> "the machine";
            case "staticcredentialsprovider" -> "code";
            default -> provider;
        };
    }
}
