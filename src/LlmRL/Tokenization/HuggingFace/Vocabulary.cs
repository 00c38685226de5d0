using System.Runtime.InteropServices;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Tokens by id and ids by token; ids may have gaps.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private string?[] _texts;

    public Vocabulary(int capacity)
    {
        _ids = new Dictionary<string, int>(capacity, StringComparer.Ordinal);
        _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _texts = new string?[capacity];
    }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; private set; }

    public IEnumerable<string> Texts => _ids.Keys;

    public void Add(string text, int id)
    {
        if (id >= _texts.Length)
            Array.Resize(ref _texts, Math.Max(id + 1, 2 * _texts.Length));
        Size = Math.Max(Size, id + 1);
        _texts[id] = text;
        CollectionsMarshal.GetValueRefOrAddDefault(_ids, text, out _) = id;
    }

    /// <summary>The token's id, or -1.</summary>
    public int Find(ReadOnlySpan<char> text) => _lookup.TryGetValue(text, out var id) ? id : -1;

    /// <summary>The token's id, or -1.</summary>
    public int Find(string text) => _ids.TryGetValue(text, out var id) ? id : -1;

    /// <summary>The token with an id, or null.</summary>
    public string? Text(int id) => (uint)id < (uint)_texts.Length ? _texts[id] : null;
}
