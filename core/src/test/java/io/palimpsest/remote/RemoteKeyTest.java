package io.palimpsest.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import java.util.List;
import org.junit.jupiter.api.Test;

class RemoteKeyTest {
    private static final TenantShardId TENANT =
            TenantShardId.parse("7a1f0c4e5d6b48a99e0f112233445566");
    private static final TimelineId TIMELINE = TimelineId.parse("d87061ac791d44a963416f8fe634a26c");
    private static final String LAYER =
            "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__00000000016B3748-0000000002000000-00000001";

    @Test
    void whatWePutIsKnownAgain() {
        Generation generation = new Generation(0xab);
        String manifest = RemotePath.manifest(TENANT, generation);
        assertEquals(new RemoteKey.Manifest(manifest, TENANT, generation), RemoteKey.of(manifest));
        String index = RemotePath.index(TENANT, TIMELINE, generation);
        assertEquals(new RemoteKey.Index(index, TENANT, TIMELINE, generation), RemoteKey.of(index));
        LayerName name = LayerName.parse(LAYER);
        String layer = RemotePath.layer(TENANT, TIMELINE, name);
        assertEquals(new RemoteKey.Layer(layer, TENANT, TIMELINE, name), RemoteKey.of(layer));
    }

    @Test
    void whatIsAlmostOursIsForeign() {
        String tenant = "tenants/" + TENANT;
        String timeline = tenant + "/timelines/" + TIMELINE;
        for (String key :
                List.of(
                        "",
                        "/",
                        "tenants",
                        "tenants/",
                        tenant,
                        tenant + "/manifest-",
                        tenant + "/manifest-1",
                        tenant + "/manifest-000000AB",
                        tenant + "/manifest-00000000",
                        tenant + "/manifest--0000001",
                        tenant + "/manifest-+0000001",
                        tenant + "/manifest-00000001/x",
                        "tenants/"
                                + TENANT.toString().toUpperCase(java.util.Locale.ROOT)
                                + "/manifest-00000001",
                        "tenants/../tenants/" + TENANT + "/manifest-00000001",
                        timeline,
                        timeline + "/index",
                        timeline + "/index-00000001.old",
                        timeline + "/" + LAYER + "x",
                        timeline + "/" + LAYER.replace("00000000016B3748", "0000000003000000"),
                        timeline + "/" + LAYER.replace("-00000001", "-00000000"),
                        timeline
                                + "/"
                                + "F".repeat(36)
                                + "-"
                                + "0".repeat(36)
                                + LAYER.substring(73),
                        timeline + "/x/" + LAYER,
                        tenant + "/timeline/" + TIMELINE + "/" + LAYER,
                        "Tenants/" + TENANT + "/manifest-00000001",
                        "x" + timeline + "/" + LAYER)) {
            assertEquals(new RemoteKey.Foreign(key), RemoteKey.of(key), key);
        }
    }
}
