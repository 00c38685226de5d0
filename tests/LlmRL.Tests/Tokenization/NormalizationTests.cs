using System.Globalization;
using System.Text;
using LlmRL.Tokenization.Normalization;

namespace LlmRL.Tests.Tokenization;

public class NormalizationTests
{
    // Rows of Unicode's NormalizationTest.txt: source; NFC; NFD; NFKC; NFKD.
    [Theory]
    [InlineData("1E0A 0323;1E0C 0307;0044 0323 0307;1E0C 0307;0044 0323 0307")]
    [InlineData("1E9B 0323;1E9B 0323;017F 0323 0307;1E69;0073 0323 0307")]
    [InlineData("00A0;00A0;00A0;0020;0020")]
    [InlineData("FB01;FB01;FB01;0066 0069;0066 0069")]
    [InlineData("212B;00C5;0041 030A;00C5;0041 030A")]
    [InlineData("0344;0308 0301;0308 0301;0308 0301;0308 0301")]
    [InlineData("0958;0915 093C;0915 093C;0915 093C;0915 093C")]
    [InlineData("AC01;AC01;1100 1161 11A8;AC01;1100 1161 11A8")]
    [InlineData("1100 AC00 11A8;1100 AC01;1100 1100 1161 11A8;1100 AC01;1100 1100 1161 11A8")]
    [InlineData("0061 0315 0300 05AE 0300 0062;00E0 05AE 0300 0315 0062;0061 05AE 0300 0300 0315 0062;00E0 05AE 0300 0315 0062;0061 05AE 0300 0300 0315 0062")]
    [InlineData("1D15E;1D157 1D165;1D157 1D165;1D157 1D165;1D157 1D165")]
    [InlineData("1611E 16123;16126;1611E 1611E 1611F;16126;1611E 1611E 1611F")]
    [InlineData("FDFA;FDFA;FDFA;0635 0644 0649 0020 0627 0644 0644 0647 0020 0639 0644 064A 0647 0020 0648 0633 0644 0645;"
        + "0635 0644 0649 0020 0627 0644 0644 0647 0020 0639 0644 064A 0647 0020 0648 0633 0644 0645")]
    public void Rows_of_the_standards_test(string row)
    {
        var columns = Array.ConvertAll(row.Split(';'), Text);
        foreach (var (before, after) in new[] { ("", ""), ("ab ", "q"), ("🦙", "漢") })
        {
            foreach (var source in columns[..3])
            {
                Assert.Equal(before + columns[1] + after, UnicodeNormalizer.Normalize(before + source + after, NormalizationForm.FormC));
                Assert.Equal(before + columns[2] + after, UnicodeNormalizer.Normalize(before + source + after, NormalizationForm.FormD));
            }

            foreach (var source in columns)
            {
                Assert.Equal(before + columns[3] + after, UnicodeNormalizer.Normalize(before + source + after, NormalizationForm.FormKC));
                Assert.Equal(before + columns[4] + after, UnicodeNormalizer.Normalize(before + source + after, NormalizationForm.FormKD));
            }
        }
    }

    [Fact]
    public void Text_that_stays_is_returned_itself()
    {
        const string Text = "plain, naïve – 漢字 🦙";
        Assert.Same(Text, UnicodeNormalizer.Normalize(Text, NormalizationForm.FormC));
    }

    private static string Text(string points) =>
        string.Concat(points.Split(' ').Select(p => char.ConvertFromUtf32(int.Parse(p, NumberStyles.HexNumber, CultureInfo.InvariantCulture))));
}
