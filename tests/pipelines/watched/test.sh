# Two tests in a few lines: writes the report that pytest would write.  One fails, and is in quarantine; failed.txt may name another.
cp quarantine.yaml "$ARTIFACTS/"
cat > "$ARTIFACTS/junit-$REPEAT.xml" <<END
<testsuites><testsuite name="shop" tests="2" failures="1" errors="0">
<testcase classname="shop" name="old_prices"><failure message="expected 4, got 5"/></testcase>
<testcase classname="shop" name="prices">$(cat failed.txt)</testcase>
</testsuite></testsuites>
END
