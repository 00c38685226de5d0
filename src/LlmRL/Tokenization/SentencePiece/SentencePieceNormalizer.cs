using System.Text;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>SentencePiece's normalisation: rules, spaces made visible, a space before the text, extra spaces removed.</summary>
internal sealed class SentencePieceNormalizer(SentencePieceModel model)
{
    private readonly string[] _userDefined = [.. model.Pieces.Where(p => p.Kind == PieceKind.UserDefined).Select(p => p.Text)
        .OrderByDescending(t => t.Length)];

    private char Space => model.EscapeWhitespaces ? SentencePieceTokenizer.Space : ' ';

    public string Normalize(string text)
    {
        var result = new StringBuilder(text.Length + 8);
        var part = new StringBuilder();
        var afterSpace = model.RemoveExtraWhitespaces;
        var position = 0;
        if (model.RemoveExtraWhitespaces)
            position = SkipSpaces(text);
        if (position >= text.Length)
            return "";
        if (model.AddDummyPrefix && !model.WhitespaceAsSuffix)
            result.Append(Space);
        while (position < text.Length)
        {
            position += AppendPrefix(text, position, part.Clear());
            var from = 0;
            while (afterSpace && from < part.Length && part[from] == ' ')
                from++;
            for (var i = from; i < part.Length; i++)
                result.Append(part[i] == ' ' ? Space : part[i]);
            if (from < part.Length)
                afterSpace = part[^1] == ' ';
            afterSpace &= model.RemoveExtraWhitespaces;
        }

        if (model.RemoveExtraWhitespaces)
        {
            while (result.Length > 0 && result[^1] == Space)
                result.Length--;
        }

        if (model.AddDummyPrefix && model.WhitespaceAsSuffix)
            result.Append(Space);
        return result.ToString();
    }

    /// <summary>The user-defined piece that stands at a place of the text, the longest one, or null.</summary>
    public string? UserDefinedAt(ReadOnlySpan<char> text)
    {
        foreach (var piece in _userDefined)
        {
            if (text.StartsWith(piece, StringComparison.Ordinal))
                return piece;
        }

        return null;
    }

    private int SkipSpaces(string text)
    {
        var part = new StringBuilder();
        for (var position = 0; position < text.Length;)
        {
            var length = AppendPrefix(text, position, part.Clear());
            if (part.Length != 1 || part[0] != ' ')
                return position;
            position += length;
        }

        return text.Length;
    }

    private int AppendPrefix(string text, int position, StringBuilder output)
    {
        if (_userDefined.Length > 0 && UserDefinedAt(text.AsSpan(position)) is { } piece)
        {
            output.Append(piece);
            return piece.Length;
        }

        if (model.Rules is { } rules)
            return rules.AppendPrefix(text.AsSpan(position), output);
        Rune.DecodeFromUtf16(text.AsSpan(position), out var rune, out var width);
        output.Append(rune.ToString());
        return width;
    }
}
