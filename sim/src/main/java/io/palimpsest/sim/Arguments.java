package io.palimpsest.sim;

import java.util.LinkedHashMap;
import java.util.Map;

/** The arguments after a command: options, each with a value. */
final class Arguments {
    private Arguments() {}

    /** In the order they came; of an option that came twice the last value. */
    static Map<String, String> of(String[] args) {
        Map<String, String> values = new LinkedHashMap<>();
        for (int i = 1; i < args.length; i += 2) {
            if (i + 1 == args.length) {
                throw new IllegalArgumentException("expected a value after " + args[i]);
            }
            values.put(args[i], args[i + 1]);
        }
        return values;
    }
}
