package eddy.flink;

import java.util.List;

/** The steps to a field of a message, {@code inputs/paths.py}: names of fields (text) and places in arrays (Integer). */
final class FieldPath {
    final Object[] steps;

    FieldPath(Object[] steps) {
        this.steps = steps;
    }

    /** As the plan gives it: a list of texts and numbers. */
    static FieldPath of(Object plan) {
        List<?> parts = (List<?>) plan;
        Object[] steps = new Object[parts.size()];
        for (int i = 0; i < steps.length; i++) {
            Object part = parts.get(i);
            steps[i] = part instanceof Json.Number ? (Object) (int) ((Json.Number) part).shortValue() : part;
        }
        return new FieldPath(steps);
    }

    /** Is thrown where a path leads to what only Python reads. */
    static final class Opaque extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Opaque() {
            super(null, null, false, false); // nothing is wrong: no stack trace
        }
    }

    /** What stands there, {@link Json#NULL} included; null where the path leads nowhere. */
    Object find(Object found) {
        for (Object step : steps) {
            if (step instanceof String) {
                found = found instanceof Json.Fields ? ((Json.Fields) found).get((String) step) : null;
            } else {
                List<?> array = found instanceof List ? (List<?>) found : List.of();
                int index = (Integer) step;
                found = index < array.size() ? array.get(index) : null;
            }
            if (found == null) {
                return null;
            }
        }
        if (found == Json.OPAQUE) {
            throw new Opaque();
        }
        return found;
    }

    /** What stands there in the first of the scopes in which the whole path is there; null where it is in none. */
    Object find(Object[] scopes) {
        for (Object scope : scopes) {
            Object found = find(scope);
            if (found != null) {
                return found;
            }
        }
        return null;
    }
}
