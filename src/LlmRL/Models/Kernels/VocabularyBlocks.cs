using System.Runtime.Intrinsics.X86;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>
/// How the head's work over a vocabulary too large for its logits falls apart: blocks of tokens, whose weights are packed once for all rows, in segments, whose sums are added
/// up in a fixed order (Wijmans et al. 2024, "Cut Your Losses", arXiv 2411.09009). Logits exist for one block and one tile of rows alone.
/// </summary>
internal readonly unsafe struct VocabularyBlocks
{
    /// <summary>Tokens in a block.</summary>
    public const int BlockTokens = 128;

    private const int FewestSegments = 8, MostSegments = 16;
    private const long PartialFloats = 1 << 24;
    private readonly int _vocabulary, _blocks;

    /// <summary>Divides a vocabulary.</summary>
    /// <param name="vocabulary">V.</param>
    /// <param name="segmentFloats">What every segment holds for its sums: where that is much there are fewer segments, but still some for each thread of a few.</param>
    public VocabularyBlocks(int vocabulary, long segmentFloats = 1)
    {
        _vocabulary = vocabulary;
        _blocks = (vocabulary + BlockTokens - 1) / BlockTokens;
        Segments = Math.Min((int)Math.Clamp(PartialFloats / segmentFloats, FewestSegments, MostSegments), _blocks);
    }

    /// <summary>Number of segments.</summary>
    public int Segments { get; }

    /// <summary>Whether a model's width and the processor allow it.</summary>
    public static bool Fit(int width) => Avx512F.IsSupported && width % Lanes.Width == 0;

    /// <summary>First token of a segment; that of the segment after the last is V.</summary>
    public int Start(int segment) => (int)Math.Min(_vocabulary, (long)segment * _blocks / Segments * BlockTokens);

    /// <summary>Packs the weights of a block's tokens, (tokens, D), in panels of 16 tokens, (⌈tokens / 16⌉, D, 16); tokens that are not there have weights of 0.</summary>
    public static void Pack(float* weight, int tokens, int width, float* panels)
    {
        for (var first = 0; first < tokens; first += Lanes.Width)
            Panels.ToPanel(weight + (long)first * width, width, Math.Min(Lanes.Width, tokens - first), width, panels + (long)first * width);
    }
}
