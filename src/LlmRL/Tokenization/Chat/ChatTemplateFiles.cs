using System.Text;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization.Chat;

/// <summary>Finds a folder's chat template: <c>chat_template.jinja</c>, else the key of <c>tokenizer_config.json</c>, else <c>chat_template.json</c>.</summary>
internal static class ChatTemplateFiles
{
    private const string Key = "chat_template";
    private static readonly string[] TokenKeys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>The template, not read yet, or null where the folder has none.</summary>
    public static Lazy<ChatTemplate>? Find(string folder, Tokenizer tokenizer)
    {
        var config = Read(folder, TokenizerLoader.ConfigName);
        var special = SpecialTokens(tokenizer, config, Read(folder, "special_tokens_map.json"));
        var file = Path.Combine(folder, TokenizerLoader.ChatTemplateName);
        if (File.Exists(file))
        {
            var source = Encoding.UTF8.GetString(TokenizerErrors.ReadAllBytes(file));
            return new(() => Parse(source, file));
        }

        var value = config[Key] is { IsAbsent: false } own ? own : Read(folder, TokenizerLoader.ProcessorTemplateName)[Key];
        return value.IsAbsent ? null : new(() => FromJson(value));

        ChatTemplate Parse(string source, string place, ChatTemplate? toolUse = null) => ChatTemplate.Parse(source, place).With(special, toolUse);

        ChatTemplate FromJson(LocatedJson template)
        {
            if (!template.IsArray)
                return Parse(template.Text, template.File);
            // A list of templates by name: "default", and "tool_use" for conversations with tools.
            var named = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var item in template.Items)
                named[item["name"].Text] = item["template"].Text;
            var toolUse = named.TryGetValue("tool_use", out var source) ? Parse(source, $"{template.File} (tool_use)") : null;
            if (named.TryGetValue("default", out var main))
                return Parse(main, template.File, toolUse);
            return toolUse ?? throw template.Error($"no template is named \"default\"; found {string.Join(", ", named.Keys)}");
        }
    }

    private static LocatedJson Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        return File.Exists(path) ? LocatedJson.Parse(path, TokenizerErrors.ReadAllBytes(path)) : new LocatedJson(path, "", default);
    }

    private static Dictionary<string, object?> SpecialTokens(Tokenizer tokenizer, LocatedJson config, LocatedJson map)
    {
        var tokens = new Dictionary<string, object?>(StringComparer.Ordinal);
        if (tokenizer.BosId is { } bos)
            tokens["bos_token"] = tokenizer.TokenText(bos);
        tokens["eos_token"] = tokenizer.TokenText(tokenizer.EosId);
        foreach (var key in TokenKeys)
        {
            foreach (var source in (ReadOnlySpan<LocatedJson>)[map, config])
            {
                var token = source[key].IsObject ? source[key]["content"] : source[key];
                if (token.IsText)
                    tokens[key] = token.Text;
            }
        }

        if (config["additional_special_tokens"] is { IsArray: true } others)
            tokens["additional_special_tokens"] = others.Items.Where(t => t.IsText).Select(t => t.Text).ToArray();
        return tokens;
    }
}
