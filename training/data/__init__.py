"""Read labelled and unlabelled data sets: files, NAB, UCR, UCI power, Kafka's history."""
