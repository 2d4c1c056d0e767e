CREATE TABLE rates (
    base text not NULL
);
