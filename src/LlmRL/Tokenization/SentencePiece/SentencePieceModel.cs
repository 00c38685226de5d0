using System.Buffers.Binary;
using System.Text;

namespace LlmRL.Tokenization.SentencePiece;

/// <summary>What a piece is for; the numbers are those of <c>sentencepiece_model.proto</c>.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>One entry of the vocabulary; its id is its place.</summary>
internal readonly record struct SentencePieceEntry(string Text, float Score, PieceKind Kind);

/// <summary>A SentencePiece <c>tokenizer.model</c>: the fields of <c>ModelProto</c> that encoding and decoding need.</summary>
internal sealed class SentencePieceModel
{
    /// <summary>The pieces by id.</summary>
    public List<SentencePieceEntry> Pieces { get; } = [];

    /// <summary>Whether the pieces merge by score (BPE) or are the most likely segmentation (Unigram).</summary>
    public bool IsBpe { get; private set; }

    public bool ByteFallback { get; private set; }

    public bool WhitespaceAsSuffix { get; private set; }

    public string BosPiece { get; private set; } = "<s>";

    public string EosPiece { get; private set; } = "</s>";

    public string PadPiece { get; private set; } = "<pad>";

    /// <summary>What an unknown piece decodes to.</summary>
    public string UnknownSurface { get; private set; } = " \u2047 ";

    public bool AddDummyPrefix { get; private set; } = true;

    public bool RemoveExtraWhitespaces { get; private set; } = true;

    public bool EscapeWhitespaces { get; private set; } = true;

    /// <summary>Normalisation rules, or null for the identity.</summary>
    public CharactersMap? Rules { get; private set; }

    /// <summary>Reads the protocol-buffers form.</summary>
    public static SentencePieceModel Parse(string file, byte[] content)
    {
        try
        {
            var model = new SentencePieceModel();
            var reader = new ProtobufReader(content);
            while (reader.Read())
            {
                if (reader.Field == 1)
                    model.ReadPiece(new ProtobufReader(reader.Bytes));
                else if (reader.Field == 2)
                    model.ReadTrainer(new ProtobufReader(reader.Bytes));
                else if (reader.Field == 3)
                    model.ReadNormalizer(new ProtobufReader(reader.Bytes));
            }

            if (!model.Pieces.Exists(p => p.Kind == PieceKind.Unknown))
                throw new InvalidDataException("it has no unknown piece");
            return model;
        }
        catch (InvalidDataException fault)
        {
            throw new BadInputException($"{file}: no SentencePiece model: {fault.Message}; "
                + "the file may be damaged, or a Git LFS pointer: fetch it again", fault);
        }
    }

    /// <summary>
    /// Reads llama2.c's <c>tokenizer.bin</c>: the longest piece's length, then score, length and bytes of each piece. Ids 0–2 are unknown, BOS
    /// and EOS, 3–258 the bytes; spaces stand for themselves.
    /// </summary>
    public static SentencePieceModel ParseLlama2c(string file, byte[] content)
    {
        var model = new SentencePieceModel { IsBpe = true, ByteFallback = true, RemoveExtraWhitespaces = false };
        for (var rest = content.AsSpan(Math.Min(4, content.Length)); rest.Length > 0;)
        {
            var length = rest.Length >= 8 ? BinaryPrimitives.ReadInt32LittleEndian(rest[4..]) : -1;
            if (length < 0 || length > rest.Length - 8 || !float.IsFinite(BinaryPrimitives.ReadSingleLittleEndian(rest)))
                throw new BadInputException($"{file}: no llama2.c tokenizer: piece {model.Pieces.Count} is cut off or damaged; "
                    + "export it again with llama2.c's tokenizer.py");
            var score = BinaryPrimitives.ReadSingleLittleEndian(rest);
            var text = Encoding.UTF8.GetString(rest.Slice(8, length));
            model.Pieces.Add(model.Pieces.Count switch
            {
                0 => new SentencePieceEntry("<unk>", score, PieceKind.Unknown),
                1 => new SentencePieceEntry("<s>", score, PieceKind.Control),
                2 => new SentencePieceEntry("</s>", score, PieceKind.Control),
                < 259 => new SentencePieceEntry(text, score, PieceKind.Byte),
                _ => new SentencePieceEntry(text.Replace(' ', SentencePieceTokenizer.Space), score, PieceKind.Normal),
            });
            rest = rest[(8 + length)..];
        }

        return model.Pieces.Count > 259
            ? model
            : throw new BadInputException($"{file}: no llama2.c tokenizer: only {model.Pieces.Count} pieces; "
                + "export it again with llama2.c's tokenizer.py");
    }

    private void ReadPiece(ProtobufReader reader)
    {
        string? text = null;
        var score = 0f;
        var kind = PieceKind.Normal;
        while (reader.Read())
        {
            if (reader.Field == 1)
                text = reader.Text;
            else if (reader.Field == 2)
                score = reader.Single;
            else if (reader.Field == 3)
                kind = (PieceKind)reader.Int32;
        }

        if (string.IsNullOrEmpty(text) || !Enum.IsDefined(kind) || !float.IsFinite(score))
            throw new InvalidDataException($"piece {Pieces.Count} has no text, a kind that is not known, or a score that is no number");
        Pieces.Add(new SentencePieceEntry(text, score, kind));
    }

    private void ReadTrainer(ProtobufReader reader)
    {
        var type = 1;
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 3: type = reader.Int32; break;
                case 24: WhitespaceAsSuffix = reader.Flag; break;
                case 35: ByteFallback = reader.Flag; break;
                case 44: UnknownSurface = reader.Text; break;
                case 46: BosPiece = reader.Text; break;
                case 47: EosPiece = reader.Text; break;
                case 48: PadPiece = reader.Text; break;
            }
        }

        IsBpe = type switch
        {
            1 => false,
            2 => true,
            _ => throw new InvalidDataException($"its model type is {type}; known are 1 (Unigram) and 2 (BPE)"),
        };
    }

    private void ReadNormalizer(ProtobufReader reader)
    {
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 2: Rules = reader.Bytes.IsEmpty ? null : new CharactersMap(reader.Bytes); break;
                case 3: AddDummyPrefix = reader.Flag; break;
                case 4: RemoveExtraWhitespaces = reader.Flag; break;
                case 5: EscapeWhitespaces = reader.Flag; break;
            }
        }
    }
}
