from app.core.fx import cross
from hypothesis import given, settings
from hypothesis import strategies as st

RATES = st.floats(min_value=0.01, max_value=100)


@settings(max_examples=100, database=None)
@given(RATES, RATES)
def test_there_and_back_is_one(first, second):
    assert abs(cross(first, second) * cross(second, first) - 1) < 1e-9
