failure=""; count=0
[ "$REPEAT" = 2 ] && failure='<failure message="lost the race"/>' && count=1
# A test suite in one line: writes the report that pytest would write.
cat > "$ARTIFACTS/junit-$REPEAT.xml" <<END
<testsuites><testsuite name="demo" tests="1" failures="$count" errors="0">
<testcase classname="demo" name="adds_up">$failure</testcase>
</testsuite></testsuites>
END
exit $count
