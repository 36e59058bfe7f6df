// Believable civic phrases. Names and numbers are invented; the numbers' ranges are none that a network assigns.
#include "phrases.h"

#include <algorithm>

namespace sim {

const std::vector<Tongue>& tongues() {
  static const std::vector<Tongue> kTongues = {
      {"en",
       {"Hello, there has been no water in Mill Street since six this morning.",
        "The street light in front of number 14, Harbour Road, is out again.",
        "Good morning. Our rubbish was not collected on Tuesday. When will they come?",
        "How long does a building permit for a garden shed take?",
        "There is a big hole in the road by the school. Somebody will get hurt.",
        "A tree has fallen across the path behind the library.", "Is the swimming pool open on Sunday?",
        "I moved last week. How do I change my address?",
        "My dog is lost, brown and white, near the old bridge. Has anyone called?",
        "The lift at the station has been broken for two weeks and my mother uses a wheelchair.",
        "There is a smell of gas in the stairwell of Canal Street 3!", "Who do I ask about a parking permit for residents?",
        "The music from the square is very loud and it is past midnight.", "Can I pay the water bill in two parts?",
        "Where can I bring old paint and batteries?", "My daughter starts school in September. Which papers do you need?"},
       {"It is the corner with the bakery.", "Since Monday, I think.", "Yes, the whole street.", "I can send you a picture.",
        "No, nobody was hurt.", "My reference is 2291.", "The neighbours say the same.", "About two metres wide."},
       {"Thank you, that was quick!", "Thanks a lot, have a good day.", "Perfect, thank you.", "Great, that helps."},
       {"Are you still there?", "Hello?", "Is there any news?"},
       {"Hello, this is City Hall. I am looking into it now.", "Thank you for telling us. Where exactly is it, please?",
        "I have passed it on to the crew; they should be there today.", "Could you send us a picture or your location?",
        "Your request has a number now: we will write to you when it is done.", "Is there anything else I can do for you?"},
       {"Anna Cooper", "James Wright", "Olivia Brown", "Tom Fletcher", "Grace O'Neill", "Daniel Shah"},
       {"447700900", "1555010"}},
      {"es",
       {"Buenos días, no tenemos agua en la calle Mayor desde anoche.", "La farola de la plaza lleva tres días apagada.",
        "¿Cuándo pasan a recoger los muebles viejos?", "Necesito un certificado de empadronamiento, ¿qué documentos llevo?",
        "Hay un bache enorme en la avenida del Puerto.", "Se ha caído un árbol encima de un coche en la calle del Río.",
        "¿A qué hora abre la piscina municipal?", "Quisiera pedir una licencia para una terraza.",
        "Los contenedores están llenos y huele muy mal.",
        "Mi padre tiene 84 años y no puede ir a la oficina. ¿Lo puedo hacer yo?", "¡Huele a gas en el portal!",
        "¿Dónde pago la multa de aparcamiento?", "Hay una fuga de agua en la acera, frente a la farmacia.",
        "El semáforo de la escuela no funciona.", "¿Puedo cambiar la cita de mañana?"},
       {"Está al lado de la panadería.", "Desde el lunes.", "Sí, toda la calle.", "Le mando una foto.", "No, no hay heridos.",
        "Mi número es el 2291.", "Los vecinos dicen lo mismo."},
       {"¡Muchas gracias, qué rápido!", "Gracias, que tenga un buen día.", "Perfecto, gracias.", "Muy amable."},
       {"¿Sigue ahí?", "¿Hola?", "¿Hay alguna novedad?"},
       {"Buenos días, le atiende el Ayuntamiento. Lo miro ahora mismo.", "Gracias por avisar. ¿Dónde es exactamente?",
        "Ya he avisado a la brigada; irán hoy.", "¿Puede enviarnos una foto o su ubicación?",
        "Su solicitud tiene número; le escribiremos cuando esté resuelta.", "¿Puedo ayudarle en algo más?"},
       {"María García", "José Ñúñez", "Lucía Fernández", "Íñigo Ruiz", "Carmen Ortega"},
       {"34600000", "5215500"}},
      {"pt",
       {"Bom dia, estamos sem água na Rua das Flores desde as seis.", "O poste de luz em frente à minha casa está apagado.",
        "O lixo não foi recolhido esta semana. O que aconteceu?", "Como faço para pedir um alvará de obras?",
        "Tem um buraco enorme na avenida, já furou dois pneus.", "Uma árvore caiu e bloqueou a rua da escola.",
        "A biblioteca abre no sábado?", "Preciso de uma segunda via da conta de água.", "Há um cão abandonado perto do mercado.",
        "O ônibus 42 não passa há dois dias. Mudou a linha?", "Sinto cheiro de gás no prédio!",
        "Onde entrego pilhas e tinta velha?", "Gostaria de marcar a vacina da minha filha.",
        "A praça está sem iluminação e é perigoso à noite.", "Como atualizo o meu endereço?"},
       {"Fica ao lado da padaria.", "Desde segunda-feira.", "Sim, a rua inteira.", "Posso mandar uma foto.",
        "Não, ninguém se machucou.", "O meu número é 2291.", "Os vizinhos dizem o mesmo."},
       {"Muito obrigada, foi rápido!", "Obrigado, bom dia!", "Perfeito, obrigado.", "Que bom, ajudou muito."},
       {"Ainda está aí?", "Olá?", "Alguma novidade?"},
       {"Bom dia, aqui é a Prefeitura. Estou verificando agora.", "Obrigado por avisar. Onde fica exatamente?",
        "Já avisei a equipe; eles vão hoje.", "Pode nos enviar uma foto ou a sua localização?",
        "O seu pedido tem número; escrevemos quando estiver pronto.", "Posso ajudar em mais alguma coisa?"},
       {"João Araújo", "Inês Gonçalves", "Conceição Simões", "Luís Magalhães", "Ana Júlia Brandão"},
       {"55119000", "35191000"}},
      {"ru",
       {"Здравствуйте, на улице Садовой с утра нет воды.", "Фонарь у дома 14 опять не горит.",
        "Мусор не вывозили уже неделю. Когда приедут?", "Сколько времени занимает разрешение на строительство гаража?",
        "На дороге у школы большая яма, кто-нибудь пострадает.", "Упало дерево и перекрыло дорожку за библиотекой.",
        "Бассейн работает в воскресенье?", "Я переехала, как изменить адрес?",
        "Лифт в доме не работает вторую неделю, бабушка не может выйти.", "В подъезде пахнет газом!",
        "Где можно сдать старые батарейки?", "Какие документы нужны, чтобы записать ребёнка в школу?",
        "Можно ли заплатить за воду частями?", "Ночью на площади очень громкая музыка.",
        "Автобус 42 не приходит второй день, маршрут изменили?"},
       {"Это на углу, рядом с булочной.", "С понедельника.", "Да, вся улица.", "Могу прислать фотографию.",
        "Нет, никто не пострадал.", "Мой номер 2291.", "Соседи говорят то же самое."},
       {"Большое спасибо, так быстро!", "Спасибо, хорошего дня.", "Отлично, спасибо.", "Вы очень помогли."},
       {"Вы ещё здесь?", "Алло?", "Есть новости?"},
       {"Здравствуйте, это мэрия. Сейчас проверю.", "Спасибо, что сообщили. Где именно это находится?",
        "Я передал бригаде, они будут сегодня.", "Можете прислать фотографию или местоположение?",
        "Ваша заявка зарегистрирована, мы напишем, когда всё будет готово.", "Чем ещё могу помочь?"},
       {"Мария Иванова", "Алексей Щукин", "Юлия Ёлкина", "Дмитрий Орлов", "Ольга Жданова"},
       {"79000000", "77000000"}},
      {"ar",
       {"السلام عليكم، الماء مقطوع في شارع النخيل منذ الصباح.", "عمود الإنارة أمام البيت لا يعمل منذ ثلاثة أيام.",
        "لم تُجمع القمامة هذا الأسبوع، متى تأتون؟", "كم يستغرق استخراج رخصة البناء؟", "توجد حفرة كبيرة في الطريق قرب المدرسة.",
        "سقطت شجرة وأغلقت الشارع.", "هل المكتبة مفتوحة يوم الجمعة؟", "انتقلت إلى بيت جديد، كيف أغيّر عنواني؟",
        "المصعد معطل منذ أسبوعين ووالدتي على كرسي متحرك.", "توجد رائحة غاز في المبنى!", "أين أسلّم البطاريات القديمة؟",
        "ما هي الأوراق المطلوبة لتسجيل ابنتي في المدرسة؟", "هل يمكن دفع فاتورة الماء على دفعتين؟",
        "الموسيقى في الساحة عالية جدا بعد منتصف الليل.", "أريد حجز موعد في البلدية رقم ٥."},
       {"بجانب المخبز.", "منذ يوم الاثنين.", "نعم، الشارع كله.", "أستطيع أن أرسل صورة.", "لا، لم يُصب أحد.", "رقم الطلب ٢٢٩١.",
        "الجيران يقولون الشيء نفسه."},
       {"شكرا جزيلا، كان سريعا!", "شكرا لكم، يومكم سعيد.", "ممتاز، شكرا.", "بارك الله فيكم."},
       {"هل ما زلتم هنا؟", "مرحبا؟", "هل من جديد؟"},
       {"مرحبا، هنا البلدية. أتحقق من الأمر الآن.", "شكرا لإبلاغنا. أين المكان بالضبط؟", "أبلغت الفريق وسيصل اليوم.",
        "هل يمكنك إرسال صورة أو موقعك؟", "طلبك مسجل الآن وسنكتب لك عند الانتهاء.", "هل يمكنني مساعدتك في شيء آخر؟"},
       {"فاطمة الزهراء", "محمد العلي", "سارة حداد", "يوسف منصور", "ليلى خوري"},
       {"97150000", "96270000"}},
  };
  return kTongues;
}

const Tongue& tongue(std::string_view language) {
  for (const auto& each : tongues()) {
    if (each.language == language) return each;
  }
  return tongues().front();
}

const std::string& language_of(std::string_view text) {
  for (const auto& each : tongues()) {
    for (const auto* list : {&each.openings, &each.details, &each.thanks, &each.impatience}) {
      if (std::find(list->begin(), list->end(), text) != list->end()) return each.language;
    }
  }
  return tongues().front().language;
}

std::string agent_phrase(Chance& chance, int turn, std::string_view language) {
  const auto& answers = tongue(language).answers;
  if (turn == 0) return answers.front();
  if (turn == 1) return answers[static_cast<std::size_t>(chance.between(1, 3))];
  return answers[static_cast<std::size_t>(chance.between(4, static_cast<std::int64_t>(answers.size()) - 1))];
}

}  // namespace sim
