using System.Globalization;
using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>Text for HTML and SVG.</summary>
internal static class Html
{
    /// <summary>Escaped for element content and for attributes; control characters, which HTML forbids, become their visible symbols.</summary>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            _ = c switch
            {
                '&' => escaped.Append("&amp;"),
                '<' => escaped.Append("&lt;"),
                '>' => escaped.Append("&gt;"),
                '"' => escaped.Append("&quot;"),
                '\'' => escaped.Append("&#39;"),
                '\n' or '\t' => escaped.Append(c),
                < ' ' => escaped.Append((char)('\u2400' + c)),
                '\u007f' => escaped.Append('\u2421'),
                _ => escaped.Append(c),
            };
        }

        return escaped.ToString();
    }

    /// <summary>A coordinate: two digits after the point are finer than any screen.</summary>
    public static string Coordinate(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
