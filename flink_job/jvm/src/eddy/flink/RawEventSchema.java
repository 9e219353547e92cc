package eddy.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.util.Collector;

/** Keeps key, value, position and, where asked, the headers of a record; parses nothing. */
final class RawEventSchema extends Internals.Reader<RawEvent> {
    private static final long serialVersionUID = 1L;

    RawEventSchema(boolean headers) {
        super(headers);
    }

    @Override
    void read(RawEvent record, Collector<RawEvent> out) {
        out.collect(record);
    }

    @Override
    public TypeInformation<RawEvent> getProducedType() {
        return TypeInformation.of(RawEvent.class);
    }
}
