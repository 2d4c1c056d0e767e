CREATE TABLE rates (
    base text NOT NULL,
    rate numeric NOT NULL
);
