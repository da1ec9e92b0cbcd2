package io.palimpsest.server.store;

import com.azure.core.exception.HttpResponseException;
import com.azure.storage.blob.models.BlobStorageException;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.util.function.Supplier;

/**
 * What Azure's failures mean. Their text is Azure's own code, and who asked; its message is left
 * out, since it quotes signatures.
 */
final class AzureErrors {
    private final StoreSettings.Azure settings;

    AzureErrors(StoreSettings.Azure settings) {
        this.settings = settings;
    }

    <T> T attempt(String action, String key, Supplier<T> request) {
        try {
            return request.get();
        } catch (BlobStorageException e) {
            throw of(action, key, String.valueOf(e.getErrorCode()), e.getStatusCode());
        } catch (HttpResponseException e) {
            int status = e.getResponse() == null ? 0 : e.getResponse().getStatusCode();
            throw of(action, key, "", status);
        } catch (NullPointerException | IllegalArgumentException e) {
            throw e;
        } catch (RuntimeException e) {
            // No answer: each layer of the library wraps it in another exception.
            throw new PageserverException(
                    ErrorCode.UNAVAILABLE, where(action, key) + ": " + reason(e), e);
        }
    }

    private static String reason(Throwable e) {
        Throwable deepest = e;
        while (deepest.getCause() != null) {
            deepest = deepest.getCause();
        }
        return deepest.getClass().getSimpleName()
                + (deepest.getMessage() == null ? "" : " " + deepest.getMessage());
    }

    private PageserverException of(String action, String key, String code, int status) {
        ErrorCode meaning = meaning(code, status);
        String text =
                "%s: %s"
                        .formatted(
                                where(action, key),
                                code.isEmpty() || code.equals("null") ? "status " + status : code);
        if (meaning == ErrorCode.DENIED) {
            text += "; %s lacks %s".formatted(identity(), permission(action));
        }
        return new PageserverException(meaning, text);
    }

    static ErrorCode meaning(String code, int status) {
        return switch (code) {
            case "ContainerNotFound",
                    "AccountIsDisabled",
                    "ContainerBeingDeleted",
                    "ResourceNotFound" ->
                    ErrorCode.BAD_REQUEST;
            case "BlobNotFound", "CannotVerifyCopySource" -> ErrorCode.NOT_FOUND;
            case "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet" ->
                    ErrorCode.CONFLICT;
            case "ServerBusy" -> ErrorCode.THROTTLED;
            // The bytes changed on the way, or two puts met: nothing was put.
            case "Md5Mismatch",
                    "OperationTimedOut",
                    "InternalError",
                    "InvalidBlockList",
                    "InvalidBlobOrBlock" ->
                    ErrorCode.UNAVAILABLE;
            case "InvalidRange" -> ErrorCode.CORRUPTION;
            default ->
                    switch (status) {
                        case 401, 403 -> ErrorCode.DENIED;
                        case 404 -> ErrorCode.NOT_FOUND;
                        case 409, 412 -> ErrorCode.CONFLICT;
                        case 416 -> ErrorCode.CORRUPTION;
                        case 429, 503 -> ErrorCode.THROTTLED;
                        default ->
                                status >= 300 && status < 500
                                        ? ErrorCode.BAD_REQUEST
                                        : ErrorCode.UNAVAILABLE;
                    };
        };
    }

    private static String permission(String action) {
        return switch (action) {
            case "Get Blob", "Get Blob Properties" -> "blobs/read";
            case "Delete Blob" -> "blobs/delete";
            case "List Blobs" -> "containers/blobs/read (list)";
            default -> "blobs/write";
        };
    }

    private String where(String action, String key) {
        return "%s %s in container %s of %s"
                .formatted(action, key, settings.container(), settings.account());
    }

    /** Whose key is used and where it was found; never the key itself. */
    String identity() {
        return "account %s with the key from AZURE_STORAGE_ACCESS_KEY"
                .formatted(settings.account());
    }
}
