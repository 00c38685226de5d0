using System.Buffers;
using System.Globalization;
using System.Text;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Turns token spellings into parts of a text; the parts are joined without anything between them.</summary>
internal interface IDecoder
{
    List<string> Decode(List<string> tokens);
}

/// <summary>One after the other.</summary>
internal sealed class SequenceDecoder(IDecoder[] steps) : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        foreach (var step in steps)
            tokens = step.Decode(tokens);
        return tokens;
    }
}

/// <summary>Spellings in <see cref="ByteAlphabet"/> back to UTF-8; a token with a character outside the alphabet stands for itself.</summary>
internal sealed class ByteLevelDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var token in tokens)
            bytes.Write(Bytes(token));
        return [Encoding.UTF8.GetString(bytes.WrittenSpan)];
    }

    public static byte[] Bytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            var value = ByteAlphabet.ByteOf(token[i]);
            if (value < 0)
                return Encoding.UTF8.GetBytes(token);
            bytes[i] = (byte)value;
        }

        return bytes;
    }
}

/// <summary>Runs of <c>&lt;0xNN&gt;</c> tokens to text; a run that is no valid UTF-8 gives one U+FFFD a byte.</summary>
internal sealed class ByteFallbackDecoder : IDecoder
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public List<string> Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        var run = new List<byte>();
        foreach (var token in tokens)
        {
            if (ByteOf(token) is >= 0 and var value)
            {
                run.Add((byte)value);
                continue;
            }

            Flush(run, result);
            result.Add(token);
        }

        Flush(run, result);
        return result;
    }

    /// <summary>The byte that a token such as <c>&lt;0x0A&gt;</c> stands for, or -1.</summary>
    public static int ByteOf(ReadOnlySpan<char> token) =>
        token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            ? value
            : -1;

    private static void Flush(List<byte> run, List<string> result)
    {
        if (run.Count == 0)
            return;
        try
        {
            result.Add(Strict.GetString([.. run]));
        }
        catch (ArgumentException)
        {
            for (var i = 0; i < run.Count; i++)
                result.Add("\uFFFD");
        }

        run.Clear();
    }
}

/// <summary>A function of each token and of its index.</summary>
internal sealed class TokenDecoder(Func<string, int, string> function) : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        for (var i = 0; i < tokens.Count; i++)
            result.Add(function(tokens[i], i));
        return result;
    }

    public static TokenDecoder Strip(char content, int start, int stop) => new((token, _) =>
    {
        var from = 0;
        while (from < Math.Min(start, token.Length) && token[from] == content)
            from++;
        var to = token.Length;
        while (to > from && token.Length - to < stop && token[to - 1] == content)
            to--;
        return token[from..to];
    });

    public static TokenDecoder Metaspace(char replacement, PrependScheme scheme) => new((token, index) =>
        index == 0 && scheme != PrependScheme.Never
            ? token.Replace(replacement.ToString(), "", StringComparison.Ordinal)
            : token.Replace(replacement, ' '));

    public static TokenDecoder WordPiece(string prefix, bool cleanup) => new((token, index) =>
    {
        if (index > 0)
            token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
        return cleanup ? CleanUp(token) : token;
    });

    private static string CleanUp(string text)
    {
        foreach (var (from, to) in (ReadOnlySpan<(string, string)>)[(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"),
            (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")])
            text = text.Replace(from, to, StringComparison.Ordinal);
        return text;
    }
}

/// <summary>The suffix that ends a word becomes a space, except in the last token.</summary>
internal sealed class SuffixDecoder(string suffix) : IDecoder
{
    public List<string> Decode(List<string> tokens) =>
        [.. tokens.Select((token, i) => token.Replace(suffix, i == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal))];
}

/// <summary>Joins all tokens, so that the next decoder sees one.</summary>
internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens) => [string.Concat(tokens)];
}
